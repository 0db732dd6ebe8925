//! The cases, by the sections of RFC 6455.

use super::case::{
    BINARY, CLOSE, CONTINUATION, Case, FIN, PING, PONG, TEXT, close, frame, header, unmasked, whole,
};

pub(super) fn all(max_message_size: usize) -> Vec<Case> {
    [
        sizes(max_message_size),
        pings(),
        reserved(),
        fragments(),
        valid_utf8(),
        invalid_utf8(),
        closes(),
        unmasked_frames(),
    ]
    .concat()
}

fn sizes(max: usize) -> Vec<Case> {
    let mut cases = Vec::new();
    for length in [0, 1, 125, 126, 127, 128, 1000, max] {
        let (text, binary) = ("x".repeat(length), vec![0xFE; length]);
        cases.push(Case::stays_open(format!("text of {length}"), &[whole(TEXT, text.as_bytes())]));
        cases.push(Case::stays_open(format!("binary of {length}"), &[whole(BINARY, &binary)]));
    }
    let half = vec![b'x'; max / 2 + 1];
    let too_long = [frame(TEXT, &half), frame(FIN | CONTINUATION, &half)];
    cases.push(Case::closes("fragments over the limit", &[1009], &too_long));
    cases.push(Case::closes("text over the limit", &[1009], &[whole(TEXT, &vec![b'x'; max + 1])]));
    for (name, length, codes) in [
        ("one byte over the limit", max as u64 + 1, &[1009][..]),
        ("a length of 2^62", 1 << 62, &[1009]),
        // The highest bit must be zero.
        ("a length of 2^63", 1 << 63, &[1002, 1009]),
    ] {
        let only_header = [header(FIN | BINARY, 0x80, length), vec![0; 4]];
        cases.push(Case::closes(format!("announcing {name}"), codes, &only_header));
    }
    cases
}

fn pings() -> Vec<Case> {
    let long = [0xFE; 125];
    let many: Vec<Vec<u8>> = (0..100).map(|_| whole(PING, b"again")).collect();
    vec![
        Case::stays_open("ping without a payload", &[whole(PING, b"")]).with_pongs(&[b""]),
        Case::stays_open("ping with a payload", &[whole(PING, b"\0\xFFHello")]).with_pongs(&[b"\0\xFFHello"]),
        Case::stays_open("ping of 125 bytes", &[whole(PING, &long)]).with_pongs(&[&long]),
        Case::closes("ping of 126 bytes", &[1002], &[whole(PING, &[0; 126])]),
        Case::closes("pong of 126 bytes", &[1002], &[whole(PONG, &[0; 126])]),
        Case::stays_open("100 pings in one write", &many).with_pongs(&[&b"again"[..]; 100]),
        Case::stays_open("pongs that nobody asked for", &[whole(PONG, b""), whole(PONG, b"unasked")]),
        Case::stays_open("a pong, then a ping", &[whole(PONG, b"a"), whole(PING, b"b")]).with_pongs(&[b"b"]),
    ]
}

fn reserved() -> Vec<Case> {
    let mut cases = Vec::new();
    for opcode in [TEXT, BINARY, PING, PONG, CLOSE] {
        for bits in 1..8 {
            let name = format!("reserved bits {bits:03b} in a frame of type {opcode}");
            let first = FIN | (bits << 4) | opcode;
            cases.push(Case::closes(&name, &[1002], &[frame(first, b"")]));
            cases.push(Case::closes(&name, &[1002], &[whole(TEXT, b"before"), frame(first, b"1234")]));
        }
    }
    for opcode in (3..8).chain(11..16) {
        for payload in [&b""[..], b"x"] {
            let name = format!("type {opcode} with {} bytes", payload.len());
            let frames = [whole(PING, b"before"), whole(opcode, payload)];
            cases.push(Case::closes(&name, &[1002], &frames).with_pongs(&[b"before"]));
        }
    }
    cases
}

fn fragments() -> Vec<Case> {
    let (begin, end) = (frame(TEXT, b"be"), frame(FIN | CONTINUATION, b"end"));
    let middle = frame(CONTINUATION, b"mid");
    let empty = frame(CONTINUATION, b"");
    let ping = whole(PING, b"between");
    let all = |frames: &[&Vec<u8>]| frames.iter().map(|&frame| frame.clone()).collect::<Vec<_>>();
    let open = |name: &str, frames: &[&Vec<u8>]| Case::stays_open(name, &all(frames));
    let error = |name: &str, frames: &[&Vec<u8>]| Case::closes(name, &[1002], &all(frames));
    vec![
        open("two fragments", &[&begin, &end]),
        open("three fragments, twice", &[&begin, &middle, &end, &begin, &middle, &end]),
        open("empty fragments", &[&frame(TEXT, b""), &empty, &empty, &frame(FIN | CONTINUATION, b"")]),
        open("binary in fragments", &[&frame(BINARY, b"\xFF"), &frame(FIN | CONTINUATION, b"\xFF")]),
        open("pings between fragments", &[&begin, &ping, &middle, &ping, &end])
            .with_pongs(&[b"between", b"between"]),
        open("a pong between fragments", &[&begin, &whole(PONG, b""), &end]),
        open("a ping within a message that does not end", &[&begin, &ping]).with_pongs(&[b"between"]),
        error("ping in fragments", &[&frame(PING, b"a"), &frame(FIN | CONTINUATION, b"b")]),
        error("pong in fragments", &[&frame(PONG, b"a")]),
        error("close in fragments", &[&frame(CLOSE, b"\x03\xE8")]),
        error("last fragment without a first", &[&end]),
        error("middle fragment without a first", &[&middle]),
        error("fragment after the last", &[&begin, &end, &middle]),
        error("text within a message", &[&begin, &whole(TEXT, b"x")]),
        error("binary within a message", &[&begin, &frame(BINARY, b"x")]),
        error("text within a message, after a ping", &[&begin, &ping, &begin]).with_pongs(&[b"between"]),
        Case::closes("close within a message", &[1000], &[begin.clone(), close(1000, b"")]),
    ]
}

/// Texts of all lengths of characters, with the first and the last character of each.
fn valid_utf8() -> Vec<Case> {
    [
        "κόσμε",
        "\0\u{7F}\u{80}\u{7FF}",
        "\u{800}\u{D7FF}\u{E000}\u{FFFD}\u{FFFF}",
        "\u{10000}\u{10FFFF}",
        "a\u{FEFF}ß€😀",
    ]
    .iter()
    .flat_map(|text| {
        splits(text.as_bytes())
            .map(|(at, frames)| Case::stays_open(format!("{text:?} in fragments, from byte {at}"), &frames))
            .collect::<Vec<_>>()
    })
    .collect()
}

fn invalid_utf8() -> Vec<Case> {
    let invalid: [&[u8]; 14] = [
        b"\x80",
        b"\xBF",
        b"\xFE",
        b"\xFF",
        b"\xC0\xAF",
        b"\xC1\xBF",
        b"\xE0\x80\xAF",
        b"\xE0\x9F\xBF",
        b"\xED\xA0\x80",
        b"\xED\xBF\xBF",
        b"\xF0\x8F\xBF\xBF",
        b"\xF4\x90\x80\x80",
        b"\xF5\x80\x80\x80",
        b"\xF8\x88\x80\x80\x80",
    ];
    let truncated: [&[u8]; 5] = [b"\xC3", b"\xE2\x82", b"\xE2", b"\xF0\x9F\x98", b"\xF0"];
    let mut cases = Vec::new();
    for bytes in invalid.iter().chain(&truncated) {
        // Inside of a text, and at its end.
        for text in [[b"gr\xC3\xBC".as_slice(), bytes, b"n"].concat(), [b"a".as_slice(), bytes].concat()] {
            let name = |how: &str| format!("{bytes:02X?} in {how}");
            cases.push(Case::closes(name("one frame"), &[1007], &[whole(TEXT, &text)]));
            cases.push(Case::stays_open(name("binary"), &[whole(BINARY, &text)]));
            for (at, frames) in splits(&text) {
                cases.push(Case::closes(name(&format!("fragments, from byte {at}")), &[1007], &frames));
            }
        }
        let reason = [b"bye ".as_slice(), bytes].concat();
        cases.push(Case::closes(format!("{bytes:02X?} as a reason"), &[1007, 1002], &[close(1000, &reason)]));
    }
    cases
}

/// The text in two fragments, split at every byte.
fn splits(text: &[u8]) -> impl Iterator<Item = (usize, [Vec<u8>; 2])> {
    (1..text.len()).map(|at| (at, [frame(TEXT, &text[..at]), frame(FIN | CONTINUATION, &text[at..])]))
}

fn closes() -> Vec<Case> {
    let mut cases = vec![
        Case::closes("close without a code", &[1000, 1005], &[whole(CLOSE, b"")]),
        Case::closes("close with half a code", &[1002], &[whole(CLOSE, b"\x03")]),
        Case::closes("close with the longest reason", &[1000], &[close(1000, &[b'x'; 123])]),
        Case::closes("close of 126 bytes", &[1002], &[close(1000, &[b'x'; 124])]),
        Case::closes("close twice", &[1000], &[close(1000, b""), close(1001, b"")]),
        Case::closes(
            "messages after a close",
            &[1000],
            &[close(1000, b""), whole(TEXT, b"x"), whole(PING, b"x"), whole(TEXT, b"\xFF")],
        ),
        Case::closes("a close behind a ping", &[1001], &[whole(PING, b"first"), close(1001, b"")])
            .with_pongs(&[b"first"]),
    ];
    for code in (1000..=1003).chain(1007..=1013).chain([3000, 3999, 4000, 4999]) {
        cases.push(Case::closes(format!("close with {code}"), &[code], &[close(code, "ça va".as_bytes())]));
    }
    // Registered after the RFC, for gateways.
    cases.push(Case::closes("close with 1014", &[1014, 1002], &[close(1014, b"")]));
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535] {
        cases.push(Case::closes(format!("close with {code}"), &[1002], &[close(code, b"")]));
    }
    cases
}

fn unmasked_frames() -> Vec<Case> {
    let mut cases = Vec::new();
    for opcode in [TEXT, BINARY, PING, PONG] {
        for length in [0, 1, 2, 3, 4, 5, 6, 100] {
            let name = format!("frame of type {opcode} and {length} bytes without a mask");
            cases.push(Case::closes(name, &[1002], &[unmasked(opcode, &vec![b'x'; length])]));
        }
    }
    cases.push(Case::closes("close without a mask", &[1002], &[unmasked(CLOSE, b"\x03\xE8")]));
    cases.push(Case::closes("empty close without a mask", &[1002], &[unmasked(CLOSE, b"")]));
    cases
}
