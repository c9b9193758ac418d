use super::*;

fn whole(bytes: &[u8]) -> Result<Option<Reply>> {
    match Scanner::new().advance(bytes)? {
        Some(end) => decode(&bytes[..end]).map(Some),
        None => Ok(None),
    }
}

fn bulk(text: &str) -> Reply {
    Reply::Bulk(text.as_bytes().to_vec())
}

#[test]
fn every_kind_of_reply() {
    let cases: [(&[u8], Reply); 14] = [
        (b"+OK\r\n", Reply::Status("OK".into())),
        (b"-ERR no way\r\n", Reply::Error { code: "ERR".into(), message: "no way".into() }),
        (b"-OOM\r\n", Reply::Error { code: "OOM".into(), message: String::new() }),
        (b":-42\r\n", Reply::Int(-42)),
        (b"$3\r\na\nb\r\n", bulk("a\nb")),
        (b"$0\r\n\r\n", bulk("")),
        (b"$-1\r\n", Reply::Nil),
        (b"*-1\r\n", Reply::Nil),
        (b"*0\r\n", Reply::Array(vec![])),
        (b"*2\r\n*1\r\n:1\r\n$-1\r\n", Reply::Array(vec![Reply::Array(vec![Reply::Int(1)]), Reply::Nil])),
        (b"_\r\n", Reply::Nil),
        (b"%1\r\n+a\r\n#t\r\n", Reply::Array(vec![Reply::Status("a".into()), Reply::Int(1)])),
        (b"=7\r\ntxt:abc\r\n", bulk("abc")),
        (b"!5\r\nERR x\r\n", Reply::Error { code: "ERR".into(), message: "x".into() }),
    ];
    for (bytes, reply) in cases {
        assert_eq!(whole(bytes).unwrap(), Some(reply), "{}", bytes.escape_ascii());
    }
}

#[test]
fn a_reply_may_arrive_byte_by_byte() {
    let bytes = b"*3\r\n$5\r\nhello\r\n*2\r\n:1\r\n+x\r\n$-1\r\n";
    let mut scanner = Scanner::new();
    for end in 0..bytes.len() {
        assert_eq!(scanner.advance(&bytes[..end]).unwrap(), None, "{end}");
    }
    assert_eq!(scanner.advance(bytes).unwrap(), Some(bytes.len()));
}

#[test]
fn hostile_bytes_are_refused_without_allocation() {
    let deep = b"*1\r\n".repeat(17);
    let endless = vec![b'+'; MAX_LINE + 1];
    let many = b"*2\r\n*2097152\r\n".iter().chain(b"_\r\n".repeat(1 << 21).iter()).copied().collect::<Vec<_>>();
    let many: Vec<u8> = many.into_iter().chain(*b"*2097152\r\n").collect();
    let cases: [&[u8]; 13] = [
        b"HTTP/1.1 400 Bad Request\r\n",
        b"X",
        b"\r\n",
        b"$-2\r\n",
        b"$536870913\r\n",
        b"$99999999999999999999999\r\n",
        b"$+3\r\nabc\r\n",
        b"*4194305\r\n",
        b"$3\r\nabcde",
        b"+OK\n",
        &deep,
        &many,
        &endless,
    ];
    for bytes in cases {
        assert!(matches!(whole(bytes), Err(Error::Protocol(_))), "{}", bytes[..bytes.len().min(40)].escape_ascii());
    }
    assert!(matches!(whole(b":abc\r\n"), Err(Error::Protocol(_))));
}

#[test]
fn commands_are_encoded_as_redis_reads_them() {
    let mut pipeline = Pipeline::new();
    pipeline.command(&[b"SET", b"k", b"a\r\nb"]).command(&[b"PING"]);
    assert_eq!(pipeline.bytes(), b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\na\r\nb\r\n*1\r\n$4\r\nPING\r\n");
    assert_eq!(pipeline.len(), 2);
    pipeline.clear();
    assert!(pipeline.is_empty() && pipeline.bytes().is_empty());
}

/// Whatever arrives, the answer is a reply, patience or an error; and what the scanner calls whole can be decoded.
#[test]
fn noise_never_panics() {
    const ALPHABET: &[u8] = b"+-:$*%~>_#=!0123x\r\n\r\n\r\n";
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).unwrap() % below
    };
    for _ in 0..100_000 {
        let length = random(40);
        let bytes: Vec<u8> = (0..length).map(|_| ALPHABET[random(ALPHABET.len())]).collect();
        let in_one = Scanner::new().advance(&bytes).ok();
        let mut scanner = Scanner::new();
        let piecewise = (0..=length).map(|end| scanner.advance(&bytes[..end]));
        let piecewise = piecewise.take_while(Result::is_ok).find_map(|found| found.ok().flatten());
        assert_eq!(in_one.flatten(), piecewise, "{}", bytes.escape_ascii());
        if let Some(end) = piecewise {
            assert!(matches!(decode(&bytes[..end]), Ok(_) | Err(Error::Protocol(_))));
        }
    }
}
