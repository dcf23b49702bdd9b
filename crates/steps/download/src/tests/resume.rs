//! Downloads that do not come in one piece.

use super::*;

#[test]
fn a_whole_file_is_fetched_with_progress() {
    let server = Server::start(vec![Answer::Whole(content())]);
    let mut download = Download::new();
    let url = server.url("data.tar.gz");
    assert_eq!(download.fetch(&[source(&url)], &[]).unwrap(), url);
    assert_eq!(server.ranges(), [None]);
    let full = Progress::Bytes {
        done: 100_000,
        total: 100_000,
    };
    assert!(download.reports.contains(&full));
    assert!(!download.part().exists());
}

#[test]
fn a_download_that_breaks_off_goes_on_where_it_ended() {
    let server = Server::start(vec![
        Answer::Cut(content(), 30_000),
        Answer::Cut(content(), 25_000),
        Answer::Whole(content()),
    ]);
    let mut download = Download::new();
    download.fetch(&[source(server.url("d"))], &[]).unwrap();
    assert_eq!(server.ranges(), [None, Some(30_000), Some(55_000)]);
    assert!(download.notes().contains("attempt 1 of 3"));
    assert!(download.notes().contains("broke at byte 55000 of 100000"));
}

#[test]
fn gains_renew_the_patience_and_standstill_ends_it() {
    let cut = |length| Answer::Cut(content(), length);
    let server = Server::start(vec![
        cut(20_000),
        cut(20_000),
        cut(20_000),
        cut(20_000),
        cut(10_000),
        Answer::Whole(content()),
    ]);
    Download::new()
        .fetch(&[source(server.url("d"))], &[])
        .unwrap();

    let server = Server::start(vec![cut(20_000), cut(0), cut(0), cut(0)]);
    let error = Download::new().refused(&[source(server.url("d"))], &[]);
    assert!(error.contains("gave up after 3 attempts"), "{error}");
    assert_eq!(server.ranges().len(), 3);
}

#[test]
fn a_part_left_by_an_earlier_process_is_continued() {
    let server = Server::start(vec![Answer::Whole(content())]);
    let mut download = Download::new();
    fs::write(download.part(), &content()[..64_000]).unwrap();
    download.fetch(&[source(server.url("d"))], &[]).unwrap();
    assert_eq!(server.ranges(), [Some(64_000)]);

    // A part that only lacked its check needs no server at all.
    let server = Server::start(vec![]);
    let mut download = Download::new();
    fs::write(download.part(), content()).unwrap();
    download.fetch(&[source(server.url("d"))], &[]).unwrap();
    assert!(server.ranges().is_empty());
}

#[test]
fn a_server_without_range_support_sends_everything_again() {
    let server = Server::start(vec![Answer::WholeAlways(content())]);
    let mut download = Download::new();
    fs::write(download.part(), &content()[..64_000]).unwrap();
    download.fetch(&[source(server.url("d"))], &[]).unwrap();
    assert_eq!(server.ranges(), [Some(64_000)]);
}

#[test]
fn a_part_that_the_server_cannot_continue_is_dropped() {
    let server = Server::start(vec![
        Answer::Status("416 Range Not Satisfiable", ""),
        Answer::Whole(content()),
    ]);
    let mut download = Download::new();
    fs::write(download.part(), &content()[..64_000]).unwrap();
    download.fetch(&[source(server.url("d"))], &[]).unwrap();
    assert_eq!(server.ranges(), [Some(64_000), None]);

    let server = Server::start(vec![
        Answer::OtherRange(content(), 10),
        Answer::Whole(content()),
    ]);
    let mut download = Download::new();
    fs::write(download.part(), &content()[..64_000]).unwrap();
    download.fetch(&[source(server.url("d"))], &[]).unwrap();
    assert_eq!(server.ranges(), [Some(64_000), None]);
    let notes = download.notes();
    assert!(notes.contains("asked for the bytes from 64000"), "{notes}");
}

#[test]
fn a_part_with_wrong_bytes_or_too_many_is_fetched_anew() {
    for junk in [vec![7; 64_000], vec![7; 100_000], vec![7; 100_001]] {
        let server = Server::start(vec![Answer::Whole(content()), Answer::Whole(content())]);
        let mut download = Download::new();
        fs::write(download.part(), &junk).unwrap();
        download.fetch(&[source(server.url("d"))], &[]).unwrap();
        assert_eq!(server.ranges().last(), Some(&None), "{}", junk.len());
    }
}

#[test]
fn another_place_continues_what_the_first_began() {
    let cut = |length| Answer::Cut(content(), length);
    let first = Server::start(vec![cut(40_000), Answer::Status("404 Not Found", "")]);
    let second = Server::start(vec![Answer::Whole(content())]);
    let sources = [source(first.url("d")), source(second.url("d"))];
    Download::new().fetch(&sources, &[]).unwrap();
    assert_eq!(second.ranges(), [Some(40_000)]);
}

#[test]
fn redirections_are_followed_and_keep_the_range() {
    let last = Server::start(vec![Answer::Whole(content())]);
    let first = Server::start(vec![Answer::Redirect(last.url("d"))]);
    let mut download = Download::new();
    fs::write(download.part(), &content()[..64_000]).unwrap();
    download.fetch(&[source(first.url("d"))], &[]).unwrap();
    assert_eq!(last.ranges(), [Some(64_000)]);
}

/// 97 bytes, so few that an answer with them can be cut at every place.
fn short() -> Vec<u8> {
    content()[..97].to_vec()
}

#[test]
fn an_answer_cut_off_at_any_byte_is_resumed_at_just_what_is_missing() {
    let file = short();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", file.len());
    let answer = [head.as_bytes(), &file].concat();
    for length in 0..answer.len() {
        let server = Server::start(vec![
            Answer::Raw(answer[..length].to_vec()),
            Answer::Whole(file.clone()),
        ]);
        let mut download = Download::new();
        let source = source_of(server.url("d"), &file);
        download.fetch(&[source], &[]).unwrap();
        let came = length.saturating_sub(head.len());
        let missing = (came > 0).then_some(came);
        assert_eq!(server.ranges(), [None, missing], "cut off at {length}");
    }
}

#[test]
fn a_chunked_answer_cut_off_at_any_byte_is_resumed_and_never_mistaken_for_the_whole() {
    let file = short();
    let answer = server::chunked(&file, 40);
    let head = server::chunked(&[], 40).len() - b"0\r\n\r\n".len();
    for length in 0..answer.len() {
        let server = Server::start(vec![
            Answer::Raw(answer[..length].to_vec()),
            Answer::Whole(file.clone()),
        ]);
        let mut download = Download::new();
        let source = source_of(server.url("d"), &file);
        download
            .fetch(&[source], &[])
            .unwrap_or_else(|error| panic!("cut off at {length}: {error:#}"));
        let came = server.ranges().get(1).copied().flatten().unwrap_or(0);
        assert!(came <= length.saturating_sub(head), "cut off at {length}");
        assert!(server.ranges().len() == 2 || length > answer.len() - 8);
    }
}

#[test]
fn an_answer_without_its_length_is_taken_whole_and_resumed_if_cut_off() {
    let head = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    let server = Server::start(vec![
        Answer::Raw([&head, &content()[..30_000]].concat()),
        Answer::Whole(content()),
    ]);
    Download::new()
        .fetch(&[source(server.url("d"))], &[])
        .unwrap();
    assert_eq!(server.ranges(), [None, Some(30_000)]);

    let server = Server::start(vec![Answer::Raw([head, content()].concat())]);
    Download::new()
        .fetch(&[source(server.url("d"))], &[])
        .unwrap();
    assert_eq!(server.ranges(), [None]);
}

#[test]
fn a_server_that_sends_a_little_of_each_range_is_asked_until_all_is_there() {
    let server = Server::with((0..).map(|_| Answer::Cut(content(), 4_000)));
    Download::new()
        .fetch(&[source(server.url("d"))], &[])
        .unwrap();
    let expected: Vec<_> = (0..25)
        .map(|index| (index > 0).then_some(index * 4_000))
        .collect();
    assert_eq!(server.ranges(), expected);
}

#[test]
fn a_file_that_changes_on_the_server_is_fetched_anew() {
    let mut old = content();
    old[7] ^= 1;
    let cut = |length| Answer::Cut(old.clone(), length);
    let server = Server::start(vec![
        cut(60_000),
        Answer::Whole(content()),
        Answer::Whole(content()),
    ]);
    let mut download = Download::new();
    download.fetch(&[source(server.url("d"))], &[]).unwrap();
    assert_eq!(server.ranges(), [None, Some(60_000), None]);
    let notes = download.notes();
    assert!(notes.contains("an earlier attempt had left"), "{notes}");
}

#[test]
fn bytes_that_do_not_fit_leave_all_patience_for_a_fresh_start() {
    let cut = |length| Answer::Cut(content(), length);
    let server = Server::start(vec![
        cut(1_000),
        cut(1_000),
        Answer::Whole(content()),
        cut(1_000),
        cut(1_000),
        Answer::Whole(content()),
    ]);
    let mut download = Download::new();
    fs::write(download.part(), [7; 50_000]).unwrap();
    download.fetch(&[source(server.url("d"))], &[]).unwrap();
    assert_eq!(
        server.ranges(),
        [
            Some(50_000),
            Some(51_000),
            Some(52_000),
            None,
            Some(1_000),
            Some(2_000)
        ]
    );
}

#[test]
fn a_file_that_never_stops_changing_is_given_up() {
    let server = Server::with((0_u8..).map(|round| {
        let mut file = content();
        file[0] = round + 1;
        if round % 2 == 0 {
            Answer::Cut(file, 60_000)
        } else {
            Answer::Whole(file)
        }
    }));
    let mut download = Download::new();
    let error = download.refused(&[source(server.url("d"))], &[]);
    assert!(error.contains("gave up after 3 attempts"), "{error}");
    assert!(download.notes().contains("wrong digest"));
    assert!(server.ranges().len() <= 10, "{}", server.ranges().len());
}

#[test]
fn a_range_of_a_file_of_another_size_is_refused_and_what_is_there_kept() {
    let other = vec![7; 70_000];
    for answer in [
        Answer::OtherRange(other.clone(), 64_000),
        Answer::Status("416 Range Not Satisfiable", "Content-Range: bytes */70000"),
    ] {
        let first = Server::start(vec![answer]);
        let second = Server::start(vec![Answer::Whole(content())]);
        let mut download = Download::new();
        fs::write(download.part(), &content()[..64_000]).unwrap();
        let sources = [source(first.url("d")), source(second.url("d"))];
        download.fetch(&sources, &[]).unwrap();
        assert_eq!(first.ranges(), [Some(64_000)]);
        assert_eq!(second.ranges(), [Some(64_000)]);
        let notes = download.notes();
        assert!(
            notes.contains("expected 100000 bytes, found 70000"),
            "{notes}"
        );
    }
}

#[test]
fn a_partial_answer_must_say_what_it_is_a_part_of_and_be_asked_for() {
    let unsaid = b"HTTP/1.1 206 Partial Content\r\nContent-Length: 36000\r\n\r\n";
    let server = Server::start(vec![
        Answer::Raw([unsaid, &content()[64_000..]].concat()),
        Answer::Whole(content()),
    ]);
    let mut download = Download::new();
    fs::write(download.part(), &content()[..64_000]).unwrap();
    download.fetch(&[source(server.url("d"))], &[]).unwrap();
    assert_eq!(server.ranges(), [Some(64_000), None]);

    let server = Server::start(vec![Answer::OtherRange(content(), 0)]);
    let error = Download::new().refused(&[source(server.url("d"))], &[]);
    assert!(
        error.contains("206 Partial Content, which was not asked for"),
        "{error}"
    );
}
