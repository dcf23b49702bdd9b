//! Remotes in the network, through the crate `object_store`: the one place that knows it, and that anything
//! here is asynchronous.

use std::env;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Read as _;
use std::path::Path as FilePath;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::http::HttpBuilder;
use object_store::path::Path;
use object_store::{
    BackoffConfig, ClientOptions, Error, ObjectStore, ObjectStoreExt as _, PutPayload, RetryConfig,
    WriteMultipart,
};
use store::key::Digest;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use crate::address::{Scheme, Url};
use crate::aws_files;
use crate::failure::explained;
use crate::place::{Listed, Place, Sink, altered, here, read_whole};
use crate::{Failure, Trouble};

/// Seconds that a server may be silent, if no variable says otherwise.
const PATIENCE: u64 = 30;
const PATIENCE_VARIABLE: &str = "FIG6_REMOTE_TIMEOUT";

/// A larger file is uploaded in parts, where that is possible.
const WHOLE: u64 = 16 << 20;
const PART: usize = 8 << 20;
/// Parts of a file that are on their way at once.
const PARTS: usize = 4;

/// How often is looked whether to stop.
const BEAT: Duration = Duration::from_millis(100);

pub(crate) struct Net {
    runtime: Threads,
    store: Arc<dyn ObjectStore>,
    root: String,
    scheme: Scheme,
    stop: Arc<AtomicBool>,
}

/// The threads that wait for the network.
struct Threads(Option<Runtime>);

impl Threads {
    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        let runtime = self.0.as_ref().expect("it is there until it is dropped");
        runtime.block_on(future)
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        // A name that nobody resolves is not waited for.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// What a variable says, if it is set and not empty.
fn variable(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

fn is_set(name: &str) -> bool {
    variable(name).is_some()
}

/// Whether a variable names a server that is spoken to without TLS.
fn is_plain(name: &str) -> bool {
    variable(name).is_some_and(|url| url.as_encoded_bytes().starts_with(b"http:"))
}

fn patience() -> Result<Duration, Failure> {
    let Some(given) = variable(PATIENCE_VARIABLE) else {
        return Ok(Duration::from_secs(PATIENCE));
    };
    match given.to_str().and_then(|given| given.parse().ok()) {
        Some(seconds @ 1..=3600) => Ok(Duration::from_secs(seconds)),
        _ => {
            let what =
                format!("{PATIENCE_VARIABLE} is {given:?}: expected seconds, from 1 to 3600");
            Err(Failure::new(Trouble::Failed, what))
        }
    }
}

impl Net {
    pub fn open(scheme: Scheme, url: &Url, stop: &Arc<AtomicBool>) -> Result<Net, Failure> {
        // It is set once; another one that somebody has set does as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .map_err(|error| Failure::new(Trouble::Failed, format!("no threads: {error}")))?;
        let patience = patience()?;
        let retry = RetryConfig {
            backoff: BackoffConfig {
                init_backoff: Duration::from_millis(100),
                max_backoff: Duration::from_secs(3),
                base: 2.0,
            },
            max_retries: 6,
            retry_timeout: 2 * patience,
        };
        let client = ClientOptions::new()
            .with_user_agent(reqwest::header::HeaderValue::from_static(concat!(
                "fig6/",
                env!("CARGO_PKG_VERSION")
            )))
            .with_timeout_disabled()
            .with_read_timeout(patience)
            .with_connect_timeout(patience.min(Duration::from_secs(10)));
        let store = match scheme {
            Scheme::Http => {
                let client = client.with_allow_http(url.url.starts_with("http:"));
                let builder = HttpBuilder::new().with_url(&url.url).with_retry(retry);
                built(builder.with_client_options(client).build())?
            }
            Scheme::S3 => s3(url, retry, client)?,
            Scheme::Google => {
                let builder = GoogleCloudStorageBuilder::from_env().with_url(&url.url);
                let client = client.with_allow_http(is_plain("GOOGLE_BASE_URL"));
                built(
                    builder
                        .with_retry(retry)
                        .with_client_options(client)
                        .build(),
                )?
            }
            Scheme::Azure => {
                let builder = MicrosoftAzureBuilder::from_env().with_url(&url.url);
                let client = client.with_allow_http(is_set("AZURE_ALLOW_HTTP"));
                built(
                    builder
                        .with_retry(retry)
                        .with_client_options(client)
                        .build(),
                )?
            }
        };
        let root = match scheme {
            // It stands in the URL already.
            Scheme::Http => String::new(),
            _ => url.path.clone(),
        };
        Ok(Net {
            runtime: Threads(Some(runtime)),
            store,
            root,
            scheme,
            stop: stop.clone(),
        })
    }

    fn path(&self, path: &str) -> Result<Path, Failure> {
        let path = format!("{}/{path}", self.root);
        Path::parse(path.trim_matches('/'))
            .map_err(|_| Failure::new(Trouble::Failed, "its path has strange names in it"))
    }

    /// Waits for an answer, unless this process is to stop.
    async fn answer<T>(&self, future: impl Future<Output = T>) -> Result<T, Failure> {
        let mut future = pin!(future);
        loop {
            if self.stop.load(Ordering::SeqCst) {
                return Err(Failure::stopped());
            }
            if let Ok(answer) = timeout(BEAT, &mut future).await {
                return Ok(answer);
            }
        }
    }

    async fn upload(&self, path: &Path, file: &FilePath, digest: &Digest) -> Result<(), Failure> {
        let failed = |error| here(file, &error);
        let mut content = File::open(file).map_err(failed)?;
        let mut hasher = blake3::Hasher::new();
        let upload = self.answer(self.store.put_multipart(path)).await?;
        let mut upload = WriteMultipart::new_with_chunk_size(upload.map_err(failure)?, PART);
        let mut piece = vec![0; 1 << 20];
        let sent = loop {
            match content.read(&mut piece) {
                Ok(0) if Digest::from_bytes(*hasher.finalize().as_bytes()) != *digest => {
                    break Err(altered(file));
                }
                Ok(0) => break Ok(()),
                Ok(count) => {
                    hasher.update(&piece[..count]);
                    upload.write(&piece[..count]);
                }
                Err(error) => break Err(failed(error)),
            }
            match self.answer(upload.wait_for_capacity(PARTS)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => break Err(failure(error)),
                Err(stopped) => break Err(stopped),
            }
        };
        if let Err(error) = sent {
            // Where that fails too, parts stay that the bucket's rules remove one day.
            let _ = timeout(Duration::from_secs(2), upload.abort()).await;
            return Err(error);
        }
        let finished = self.answer(upload.finish()).await?;
        finished.map(drop).map_err(failure)
    }
}

impl Place for Net {
    fn read(&self, path: &str, most: u64, sink: Sink) -> Result<(), Failure> {
        let path = self.path(path)?;
        self.runtime.block_on(async {
            let found = self.answer(self.store.get(&path)).await?.map_err(failure)?;
            if found.meta.size > most {
                return Err(Failure::new(Trouble::TooLarge, "it is too large"));
            }
            let mut pieces = found.into_stream();
            while let Some(piece) = self.answer(pieces.next()).await? {
                let kept = sink(&piece.map_err(failure)?);
                kept.map_err(|error| Failure::new(Trouble::Failed, error.to_string()))?;
            }
            Ok(())
        })
    }

    fn size(&self, path: &str) -> Result<Option<u64>, Failure> {
        let path = self.path(path)?;
        let found = self.runtime.block_on(self.answer(self.store.head(&path)))?;
        match found.map_err(failure) {
            Ok(meta) => Ok(Some(meta.size)),
            Err(failure) if failure.trouble == Trouble::Absent => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    fn write(&self, path: &str, content: Vec<u8>) -> Result<(), Failure> {
        let path = self.path(path)?;
        let put = self.store.put(&path, PutPayload::from(content));
        let put = self.runtime.block_on(self.answer(put))?;
        put.map(drop).map_err(|error| match failure(error) {
            // Of what was to be written this says nothing.
            failure if failure.trouble == Trouble::Absent => {
                Failure::new(Trouble::Failed, "there is no such bucket or folder")
            }
            failure => failure,
        })
    }

    fn write_file(&self, path: &str, file: &FilePath, digest: &Digest) -> Result<(), Failure> {
        let length = file.metadata().map_err(|error| here(file, &error))?.len();
        if length <= WHOLE || self.scheme == Scheme::Http {
            return self.write(path, read_whole(file, digest)?);
        }
        let path = self.path(path)?;
        self.runtime.block_on(self.upload(&path, file, digest))
    }

    fn list(&self, folder: &str) -> Result<Vec<Listed>, Failure> {
        if self.scheme == Scheme::Http {
            return Err(Failure::new(
                Trouble::Unsupported,
                "a web server cannot say what it has",
            ));
        }
        let folder = self.path(folder)?;
        let root = self.path("")?;
        self.runtime.block_on(async {
            let mut found = Vec::new();
            let mut list = self.store.list(Some(&folder));
            while let Some(meta) = self.answer(list.next()).await? {
                let meta = meta.map_err(failure)?;
                let Some(parts) = meta.location.prefix_match(&root) else {
                    continue;
                };
                let mut path = String::new();
                for part in parts {
                    let separator = if path.is_empty() { "" } else { "/" };
                    let _ = write!(path, "{separator}{}", part.as_ref());
                }
                found.push(Listed {
                    path,
                    bytes: meta.size,
                    written: meta.last_modified.timestamp(),
                });
            }
            Ok(found)
        })
    }

    fn remove(&self, path: &str) -> Result<(), Failure> {
        let path = self.path(path)?;
        let removed = self
            .runtime
            .block_on(self.answer(self.store.delete(&path)))?;
        match removed.map_err(failure) {
            Err(failure) if failure.trouble != Trouble::Absent => Err(failure),
            _ => Ok(()),
        }
    }
}

fn built<S: ObjectStore>(store: Result<S, Error>) -> Result<Arc<dyn ObjectStore>, Failure> {
    match store {
        Ok(store) => Ok(Arc::new(store)),
        // What it says of credentials may cite them.
        Err(_) => Err(Failure::new(
            Trouble::Failed,
            "its address or credentials are not complete; docs/remote.md says where they are looked for",
        )),
    }
}

/// S3, and what speaks like it, with keys from variables or from the files of the AWS programs.
fn s3(
    url: &Url,
    retry: RetryConfig,
    client: ClientOptions,
) -> Result<Arc<dyn ObjectStore>, Failure> {
    let mut builder = AmazonS3Builder::new();
    let mut set = |key: AmazonS3ConfigKey, value: &str| {
        if builder.get_config_value(&key).is_none() {
            builder = builder.clone().with_config(key, value);
        }
    };
    for (name, value) in env::vars_os() {
        if let (Some(name), Some(value)) = (name.to_str(), value.to_str())
            && name.starts_with("AWS_")
            && !value.is_empty()
            && let Ok(key) = name.to_ascii_lowercase().parse()
        {
            set(key, value);
        }
    }
    let mut found = aws_files::profile(&variable)?;
    if is_set("AWS_ACCESS_KEY_ID") || is_set("AWS_WEB_IDENTITY_TOKEN_FILE") {
        // Never half of a key from here and half from there.
        found.retain(|name, _| !name.starts_with("aws_"));
    }
    for (name, key) in [
        ("aws_access_key_id", AmazonS3ConfigKey::AccessKeyId),
        ("aws_secret_access_key", AmazonS3ConfigKey::SecretAccessKey),
        ("aws_session_token", AmazonS3ConfigKey::Token),
        ("region", AmazonS3ConfigKey::Region),
        ("endpoint_url", AmazonS3ConfigKey::Endpoint),
    ] {
        if let Some(value) = found.get(name) {
            set(key, value);
        }
    }
    let endpoints = [AmazonS3ConfigKey::S3Endpoint, AmazonS3ConfigKey::Endpoint];
    let mut endpoints = endpoints
        .iter()
        .filter_map(|key| builder.get_config_value(key));
    let plain = endpoints.any(|endpoint| endpoint.starts_with("http:"));
    let client = client.with_allow_http(plain || is_set("AWS_ALLOW_HTTP"));
    built(
        builder
            .with_url(&url.url)
            .with_retry(retry)
            .with_client_options(client)
            .build(),
    )
}

/// What an error means: by the words of the whole chain, for it hides the types.
fn failure(error: Error) -> Failure {
    if matches!(
        error,
        Error::NotImplemented { .. } | Error::NotSupported { .. }
    ) {
        return Failure::new(Trouble::Unsupported, "it cannot do that");
    }
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        let _ = write!(text, ": {cause}");
        source = cause.source();
    }
    explained(&text)
}
