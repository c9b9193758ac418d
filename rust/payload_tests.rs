use super::*;

const REAL: &[u8] = br#"{"retry":5,"queue":"critical","args":[1,2.5,"\u00e9"],"class":"Hard","jid":"639f","created_at":1795305947963,"enqueued_at":1795305947963.5}"#;

fn spliced(text: &str, fields: &[(&str, Option<&str>)]) -> String {
    let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.map(str::as_bytes))).collect();
    String::from_utf8(splice(text.as_bytes(), &fields).unwrap()).unwrap()
}

#[test]
fn a_real_payload() {
    let envelope = scan(REAL, 1000).unwrap();
    assert_eq!((envelope.class(REAL).as_ref(), envelope.jid(REAL).as_ref()), ("Hard", "639f"));
    assert_eq!(envelope.queue(REAL).as_deref(), Some("critical"));
    assert_eq!(&REAL[envelope.args], br#"[1,2.5,"\u00e9"]"#);
    assert!(!envelope.has_failed);
    let failed = br#"{"class":"A","args":[],"failed_at":1795305947963}"#;
    assert!(scan(failed, 1000).unwrap().has_failed);
}

#[test]
fn a_job_of_active_job_goes_by_its_own_class() {
    for wrapper in ["Sidekiq::ActiveJob::Wrapper", "ActiveJob::QueueAdapters::SidekiqAdapter::JobWrapper"] {
        let text = format!(r#"{{"wrapped":"Mail","class":"{wrapper}","args":[{{"arguments":[]}}]}}"#);
        let envelope = scan(text.as_bytes(), 1000).unwrap();
        assert_eq!((envelope.class(text.as_bytes()).as_ref(), envelope.is_wrapped), ("Mail", true));
        for nothing in ["\"\"", "7", "null", "[]"] {
            let text = text.replace("\"Mail\"", nothing);
            let envelope = scan(text.as_bytes(), 1000).unwrap();
            assert_eq!((envelope.class(text.as_bytes()).as_ref(), envelope.is_wrapped), (wrapper, false), "{nothing}");
        }
    }
    let other = br#"{"class":"Other","wrapped":"Mail","args":[]}"#;
    let envelope = scan(other, 1000).unwrap();
    assert_eq!(
        (envelope.class(other).as_ref(), envelope.is_wrapped),
        ("Other", false),
        "anybody may have such a field"
    );
    assert_eq!(scan(br#"{"wrapped":"Mail","args":[]}"#, 1000), Err(Flaw::NoClass));
}

#[test]
fn spelling_does_not_matter() {
    let text = b" { \"cl\\u0061ss\" : \"A\\n\\ud83d\\ude00\\ud800\" , \"args\" : [ ] , \"jid\" : 5 } \n";
    let envelope = scan(text, 100).unwrap();
    assert_eq!(envelope.class(text), "A\n\u{1f600}\u{fffd}");
    assert_eq!(envelope.jid(text), "");
}

#[test]
fn flaws() {
    let deep = |depth: usize| format!("{{\"class\":\"A\",\"args\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    assert!(scan(deep(99).as_bytes(), 1000).is_ok());
    assert_eq!(scan(deep(100).as_bytes(), 1000), Err(Flaw::TooDeep));
    assert_eq!(scan("[".repeat(100_000).as_bytes(), 1 << 20), Err(Flaw::TooDeep));
    assert_eq!(scan(REAL, 10), Err(Flaw::TooLarge(REAL.len())));
    let cases: [(&str, Flaw); 9] = [
        ("[1]", Flaw::NotObject),
        ("null", Flaw::NotObject),
        ("{}", Flaw::NoClass),
        (r#"{"class":5,"args":[]}"#, Flaw::NoClass),
        (r#"{"class":"","args":[]}"#, Flaw::NoClass),
        (r#"{"class":"A"}"#, Flaw::BadArgs),
        (r#"{"class":"A","args":{}}"#, Flaw::BadArgs),
        (r#"{"class":"A","args":[],"args":[]}"#, Flaw::Repeated("args".into())),
        (r#"{"class":"A","args":[],"\u0061rgs":[]}"#, Flaw::Repeated("args".into())),
    ];
    for (text, flaw) in cases {
        assert_eq!(scan(text.as_bytes(), 1000), Err(flaw), "{text}");
    }
    let many: Vec<String> = (0..60).map(|n| format!("\"k{n}\":0")).collect();
    let text = format!("{{{},\"k7\":1}}", many.join(","));
    assert_eq!(scan(text.as_bytes(), 10_000), Err(Flaw::Repeated("k7".into())));
    let long = "é".repeat(1 << 20);
    let flaw = scan(format!("{{\"{long}\":1,\"{long}\":2}}").as_bytes(), 1 << 23).unwrap_err();
    assert!(flaw.to_string().len() < 200, "a key of megabytes stays out of the log");
}

#[test]
fn not_json() {
    let cases: [&[u8]; 24] = [
        b"",
        b" ",
        b"{",
        b"nul",
        b"{\"a\"}",
        b"{\"a\":}",
        b"{\"a\":1,}",
        b"{a:1}",
        b"{'a':1}",
        b"{\"a\":NaN}",
        b"{\"a\":Infinity}",
        b"{\"a\":-}",
        b"{\"a\":01}",
        b"{\"a\":1.}",
        b"{\"a\":.5}",
        b"{\"a\":1e}",
        b"{\"a\":+1}",
        b"{\"a\":\"\n\"}",
        b"{\"a\":\"\\x\"}",
        b"{\"a\":\"\\u12g4\"}",
        b"{\"a\":[1 2]}",
        b"{} {}",
        b"{\"a\":\"\xff\"}",
        b"{\"a\":1}x",
    ];
    for text in cases {
        assert!(matches!(scan(text, 1000), Err(Flaw::NotJson(_))), "{}", text.escape_ascii());
    }
}

#[test]
fn splicing_replaces_in_place_and_appends() {
    let text = r#"{"a":1,"b":[2],"c":"x"}"#;
    assert_eq!(spliced(text, &[("b", Some("3"))]), r#"{"a":1,"b":3,"c":"x"}"#);
    assert_eq!(spliced(text, &[("d", Some("4")), ("a", Some("0"))]), r#"{"a":0,"b":[2],"c":"x","d":4}"#);
    assert_eq!(spliced("{}", &[("a", Some("1")), ("b", None)]), r#"{"a":1}"#);
    assert_eq!(spliced("{ }", &[("a", Some("1"))]), r#"{ "a":1}"#);
    assert_eq!(
        spliced(r#" {"a" : 1 , "b":2 } "#, &[("a", Some("7")), ("c", Some("8"))]),
        r#" {"a" : 7 , "b":2 ,"c":8} "#
    );
    assert_eq!(spliced(r#"{"\u0061":1}"#, &[("a", Some("2"))]), r#"{"\u0061":2}"#);
}

#[test]
fn splicing_removes_with_one_comma() {
    let text = r#"{"a":1,"b":[2],"c":"x"}"#;
    assert_eq!(spliced(text, &[("a", None)]), r#"{"b":[2],"c":"x"}"#);
    assert_eq!(spliced(text, &[("b", None)]), r#"{"a":1,"c":"x"}"#);
    assert_eq!(spliced(text, &[("c", None)]), r#"{"a":1,"b":[2]}"#);
    assert_eq!(spliced(text, &[("a", None), ("c", None), ("b", None)]), "{}");
    assert_eq!(spliced(text, &[]), text);
    assert_eq!(splice(b"[1]", &[]), Err(Flaw::NotObject));
}
