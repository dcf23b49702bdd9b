//! Which results stay. Pure: it looks at nothing but what it is given.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::{Artifact, Fate, Needs, WhyKept};
use crate::key::Digest;

/// Decides what is kept and why, as if there were room for everything.
pub(super) fn keep(
    artifacts: &mut [Artifact],
    needs: &Needs,
    live: &HashSet<Digest>,
    last: &HashSet<Digest>,
) {
    for artifact in &mut *artifacts {
        let key = &artifact.key;
        artifact.fate = match () {
            () if live.contains(key) => Fate::Kept(WhyKept::Live),
            () if needs.keys.contains(key) => Fate::Kept(WhyKept::Pipeline),
            () if artifact.damaged => Fate::Kept(WhyKept::Damaged),
            () => Fate::Unneeded,
        };
    }
    keep_what_led_to(artifacts, &needs.contents);
    for artifact in artifacts {
        if artifact.fate == Fate::Unneeded && last.contains(&artifact.key) {
            artifact.fate = Fate::Kept(WhyKept::Run);
        }
    }
}

/// Keeps results that have these contents, and those that have the contents from which they were made,
/// and so on: of several that have the same, one that is kept anyway, or the newest.
fn keep_what_led_to(artifacts: &mut [Artifact], contents: &BTreeSet<Digest>) {
    let mut makers: HashMap<Digest, Vec<usize>> = HashMap::new();
    for (place, artifact) in artifacts.iter().enumerate() {
        for content in &artifact.contents {
            makers.entry(*content).or_default().push(place);
        }
    }
    let mut open: Vec<Digest> = contents.iter().copied().collect();
    let mut seen: HashSet<Digest> = HashSet::new();
    while let Some(content) = open.pop() {
        if !seen.insert(content) {
            continue;
        }
        let makers = makers.get(&content).into_iter().flatten();
        let best = makers.max_by_key(|&&place| {
            let artifact = &artifacts[place];
            (
                artifact.fate != Fate::Unneeded,
                &artifact.started,
                artifact.key,
            )
        });
        let Some(&best) = best else { continue };
        let artifact = &mut artifacts[best];
        if artifact.fate == Fate::Unneeded {
            artifact.fate = Fate::Kept(WhyKept::Report);
        }
        open.extend(&artifact.inputs);
    }
}

/// How many of the results that stay have evidence, and the bytes of what is nothing else to any of them.
pub(super) fn snapshots(artifacts: &[Artifact], sizes: &BTreeMap<Digest, u64>) -> (usize, u64) {
    let kept = || artifacts.iter().filter(|artifact| artifact.stays());
    let outputs = kept().flat_map(|artifact| &artifact.contents - &artifact.evidence);
    let outputs: BTreeSet<Digest> = outputs.collect();
    let is_there = |digest: &&Digest| sizes.contains_key(*digest) && !outputs.contains(*digest);
    let with = kept().filter(|artifact| artifact.evidence.iter().any(|digest| is_there(&digest)));
    let only = kept().flat_map(|artifact| &artifact.evidence);
    let only: BTreeSet<&Digest> = only.filter(is_there).collect();
    (
        with.count(),
        only.into_iter().map(|digest| sizes[digest]).sum(),
    )
}

/// Evicts results that are cheap to compute again until the contents of the others fit into so many
/// bytes, and none that need not go: where evicting a dearer one makes room enough, a cheaper one stays.
/// What a run under way uses is never evicted.
pub(super) fn evict(artifacts: &mut [Artifact], sizes: &BTreeMap<Digest, u64>, most: u64) {
    let size = |digest: &Digest| sizes.get(digest).copied().unwrap_or(0);
    let mut users: HashMap<Digest, usize> = HashMap::new();
    for artifact in artifacts.iter() {
        if artifact.stays() {
            for content in &artifact.contents {
                *users.entry(*content).or_default() += 1;
            }
        }
    }
    let mut bytes: u64 = users.keys().map(size).sum();
    let may_go = |artifact: &Artifact| {
        matches!(
            artifact.fate,
            Fate::Kept(WhyKept::Pipeline | WhyKept::Report | WhyKept::Run)
        )
    };
    let mut candidates: Vec<usize> = (0..artifacts.len())
        .filter(|&place| may_go(&artifacts[place]))
        .collect();
    candidates.sort_by(|&a, &b| {
        let (a, b) = (&artifacts[a], &artifacts[b]);
        let by_cost = a.seconds.total_cmp(&b.seconds);
        by_cost.then(b.bytes.cmp(&a.bytes)).then(a.key.cmp(&b.key))
    });
    let mut evicted = Vec::new();
    for place in candidates {
        if bytes <= most {
            break;
        }
        for content in &artifacts[place].contents {
            let users = users.get_mut(content).expect("every content was counted");
            *users -= 1;
            bytes -= if *users == 0 { size(content) } else { 0 };
        }
        evicted.push(place);
    }
    // The dearest first: what it takes beside it may have been too little to matter.
    for &place in evicted.iter().rev() {
        let artifact = &mut artifacts[place];
        let unused = artifact
            .contents
            .iter()
            .filter(|content| users[*content] == 0);
        let more: u64 = unused.map(size).sum();
        if bytes + more <= most {
            bytes += more;
            for content in &artifact.contents {
                *users.get_mut(content).expect("every content was counted") += 1;
            }
        } else {
            artifact.fate = Fate::Evicted;
        }
    }
}
