use super::*;

const RAW: &[u8] = br#"{"name":"n\u00e4","class":"Report","args":["x",1],"queue":"low","cron":"0 6 * * *","timezone":"Europe/Berlin","missed":"all","description":"","enabled":true,"source":"code","options":{"retry":5,"tags":["a"]}}"#;

#[test]
fn a_payload_has_the_form_of_every_other_push() {
    let definition = Definition::parse(RAW).unwrap();
    let payload = definition.payload(&[171; 12], 1_795_305_947_963, 1_795_305_900_000, None);
    assert_eq!(
        String::from_utf8(payload).unwrap(),
        r#"{"retry":5,"queue":"low","tags":["a"],"args":["x",1],"class":"Report","jid":"abababababababababababab","created_at":1795305947963,"enqueued_at":1795305947963,"cron":{"name":"nä","tick":1795305900000}}"#
    );
    assert!(definition.missed == Missed::All && definition.enabled && !definition.is_api);
}

#[test]
fn unknown_fields_and_options_do_no_harm() {
    let raw = br#"{"later":[1],"name":"n","class":"A","args":[],"queue":"q","every":60,"options":{"backtrace":true,"retry":false,"moon":1}}"#;
    let definition = Definition::parse(raw).unwrap();
    let payload = String::from_utf8(definition.payload(&[0; 12], 1, 2, None)).unwrap();
    assert!(
        payload.starts_with(r#"{"backtrace":true,"retry":false,"queue":"q","moon":1,"args":[],"class":"A","jid":"0"#),
        "{payload}"
    );
}

#[test]
fn an_in_is_still_the_same_when_it_has_become_an_at() {
    let raw = br#"{"name":"n","class":"A","args":[],"queue":"q","in":60}"#;
    let declared = Definition::parse(raw).unwrap();
    let kept = declared.kept(1_000_500);
    assert_eq!(kept, br#"{"name":"n","class":"A","args":[],"queue":"q","in":60,"at":1000.500}"#);
    let stored = Definition::parse(&kept).unwrap();
    assert!(declared.is_kept_as(&kept) && declared.spec == stored.spec);
    assert!(matches!(stored.when, When::At(1_000_500)));
}

/// `tests/cron/test_strictness.py` reads the same table.
#[test]
fn verdicts_are_those_of_the_table() {
    let table = include_str!("../../tests/cron/definitions.jsonl");
    for line in table.lines() {
        let fields = Fields::read(line.as_bytes()).unwrap();
        let text = |key| fields.text(key).ok().flatten();
        let raw = text("definition").map(String::into_bytes);
        let raw = raw.unwrap_or_else(|| fields.value("definition").unwrap().to_vec());
        let verdict = match Definition::parse(&raw) {
            Ok(_) => "fine",
            Err(Unfit::Broken(_)) => "broken",
            Err(Unfit::Strange(_)) => "strange",
        };
        assert_eq!(Some(verdict), text("verdict").as_deref(), "{line}");
    }
    assert!(table.lines().count() > 100);
}

#[test]
fn what_is_long_or_no_text_is_no_definition() {
    for raw in [&vec![b' '; MAX_BYTES + 1][..], b"\xff", b"{\"name\":\"\xff\"}"] {
        assert!(matches!(Definition::parse(raw), Err(Unfit::Broken(_))));
    }
    let long =
        format!(r#"{{"name":"n","class":"A","queue":"q","every":60,"args":["{}"]}}"#, "x".repeat(MAX_BYTES - 60));
    assert!(Definition::parse(long.as_bytes()).is_ok(), "{}", long.len());
}

#[test]
fn scores_are_read_whatever_they_are() {
    for (text, ms) in [("1795305947", 1_795_305_947_000), ("1.5", 1_500), ("-inf", 0), ("inf", 100_000_000_000_000)] {
        assert_eq!(milliseconds(text), Some(ms));
    }
    assert_eq!((milliseconds("nan"), milliseconds("x")), (None, None));
    assert_eq!((score(1_500), score(60_000), score(1_001)), ("1.500".into(), "60".into(), "1.001".into()));
}
