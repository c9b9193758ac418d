use super::*;

const PLACE: Place = Place { queue: "mail", now_ms: 1_795_305_947_963, compat: None };

fn mend(text: &str) -> String {
    String::from_utf8(mended(text.as_bytes(), PLACE)).unwrap()
}

#[test]
fn what_is_sound_stays_byte_for_byte() {
    let sound = r#" {"class":"A", "args":[1.50,"\u00e9"],"queue":"q","tags":[1],"cattr":null,"created_at":1.5e9,"failed_at":null,
        "error_backtrace":"eJyL","retry_count":-1,"unheard":{"a":[]}} "#;
    assert_eq!(mend(sound), sound);
    assert!(matches!(stored(sound.as_bytes(), "", PLACE), Cow::Borrowed(_)));
}

#[test]
fn each_field_is_mended_where_it_stands() {
    let cases = [
        (r#""tags":"x""#, r#""tags":["x"],"#),
        (r#""tags":true"#, ""),
        (r#""cattr":5"#, ""),
        (r#""cattr":false"#, ""),
        (r#""created_at":"2026""#, ""),
        (r#""enqueued_at":1e999"#, ""),
        (r#""retry_count":"3""#, ""),
        (r#""error_backtrace":["a"]"#, ""),
        (r#""error_backtrace":"zz""#, ""),
        (r#""encrypt":true"#, ""),
        (r#""tags":{"a":1}"#, ""),
        (r#""at":"soon""#, ""),
        (r#""at":null"#, ""),
        (r#""at":5.5"#, r#""at":5.5,"#),
        (r#""retry_for":"1h""#, ""),
        (r#""retry_for":1e10"#, ""),
        (r#""unheard":1e999"#, ""),
        (r#""x":{"a":1,"b":2,"a":3}"#, r#""x":{"b":2,"a":3},"#),
        (r#""x":"\ud800""#, r#""x":"\ufffd","#),
    ];
    for (field, kept) in cases {
        let kept = kept.strip_suffix(',').map_or(String::new(), |kept| format!(",{kept}"));
        let text = format!(r#"{{"class":"A","args":[],{field},"queue":"q"}}"#);
        assert_eq!(mend(&text), format!(r#"{{"class":"A","args":[]{kept},"queue":"q"}}"#), "{field}");
    }
    assert_eq!(mend(r#"{"class":"A","args":[]}"#), r#"{"class":"A","args":[],"queue":"mail"}"#);
    assert_eq!(mend(r#"{"class":"A","queue":5,"args":[]}"#), r#"{"class":"A","queue":"mail","args":[]}"#);
    assert_eq!(mend(r#"{"class":"A","queue":"","args":[]}"#), r#"{"class":"A","queue":"mail","args":[]}"#);
    let long = format!(r#"{{"class":"A","args":[],"queue":"q","x":{}}}"#, "9".repeat(400));
    assert_eq!(mend(&long), long, "Ruby has integers of any length");
    let wrapper = r#"{"class":"Sidekiq::ActiveJob::Wrapper","wrapped":"A","queue":"q","args":"#;
    assert_eq!(mend(&format!("{wrapper}[5]}}")), r#"{"class":"Sidekiq::ActiveJob::Wrapper","queue":"q","args":[5]}"#);
    assert_eq!(mend(&format!("{wrapper}[ {{}}]}}")), format!("{wrapper}[ {{}}]}}"));
}

#[test]
fn a_glance_sees_what_may_have_to_change() {
    for time in ["created_at", "enqueued_at", "failed_at", "retried_at", "discarded_at", "retry_count"] {
        let sees = |value: &str| is_odd(time.as_bytes(), value.as_bytes());
        assert!(["1e999", "-1E999", "\"2026\"", "null", "[1]", &"9".repeat(400)].into_iter().all(sees), "{time}");
        assert!(!["1795305947963", "1795305947.963", "-1", "0"].into_iter().any(sees), "{time}");
    }
}

#[test]
fn the_retry_set_shows_when_a_job_failed() {
    let entry = |fields: &str| {
        let text = format!(r#"{{"class":"A","args":[],"queue":"q"{fields}}}"#);
        String::from_utf8(mended_retry(text.as_bytes(), PLACE)).unwrap()
    };
    assert!(entry("").ends_with(r#","failed_at":1795305947963}"#));
    assert!(entry(r#","retry_count":2,"failed_at":5"#).ends_with(r#""failed_at":5,"retried_at":1795305947963}"#));
    assert!(entry(r#","retry_count":"x","retried_at":"y""#).ends_with(r#""queue":"q","failed_at":1795305947963}"#));
}

#[test]
fn what_would_not_fit_into_redis_is_not_wrapped() {
    assert!(matches!(stored(&vec![0; MOST_WRAPPED + 1], "a flaw", PLACE), Cow::Borrowed(_)));
}

#[test]
fn what_cannot_be_read_is_kept_whole() {
    let kept = |bytes: &[u8]| String::from_utf8(stored(bytes, "a flaw", PLACE).into_owned()).unwrap();
    let text = kept(b"no \"job\"\n");
    assert!(text.starts_with(r#"{"class":"fastkiq.Unreadable","args":["utf-8","no \"job\"\n"],"jid":""#), "{text}");
    let end = r#"","queue":"mail","retry":false,"created_at":1795305947963,"failed_at":1795305947963,"error_class":"fastkiq.Unreadable","error_message":"a flaw"}"#;
    assert!(text.ends_with(end), "{text}");
    for (bytes, coded) in [(&b"\xff"[..], "/w=="), (b"\xff\xfe", "//4="), (b"\xff\xfe\x00", "//4A")] {
        assert!(kept(bytes).contains(&format!(r#""args":["base64","{coded}"]"#)));
    }
    for bytes in
        [&b"[1]"[..], b"null", b"", b"{}", br#"{"class":"A","args":[],"queue":5}"#, br#"{"args":[],"queue":"q"}"#]
    {
        assert!(kept(bytes).contains(UNREADABLE));
    }
    assert_eq!(kept(text.as_bytes()), text, "it is not put into another");
    let odd = text.replacen("\"retry\":false", "\"tags\":\"x\"", 1);
    assert_eq!(kept(odd.as_bytes()), odd.replacen("\"x\"", "[\"x\"]", 1));
}
