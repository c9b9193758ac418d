use super::*;

fn parse(text: &str) -> RedisUrl {
    RedisUrl::parse(text).unwrap()
}

#[test]
fn addresses() {
    let tcp = |host: &str, port| Endpoint::Tcp { host: host.into(), port };
    assert!(parse("redis://").endpoint == tcp("localhost", 6379));
    assert!(parse("redis://h").endpoint == tcp("h", 6379));
    assert!(parse("rediss://[::1]:7000/3").endpoint == tcp("::1", 7000));
    assert_eq!(parse("rediss://[::1]:7000/3").safe(), "rediss://[::1]:7000/3");
    assert_eq!(parse("redis://h/2?db=5").db, 5);
    assert!(parse("unix:///run/a%20b.sock?db=1").endpoint == Endpoint::Unix("/run/a b.sock".into()));
    assert!(parse("unix://u:p@/run/x@y").endpoint == Endpoint::Unix("/run/x@y".into()));
    let sentinel = parse("redis+sentinel://:p@a,b:7/main/2");
    let nodes = vec![("a".to_owned(), 26379), ("b".to_owned(), 7)];
    assert!(sentinel.endpoint == Endpoint::Sentinel { service: "main".into(), nodes });
    assert_eq!((sentinel.scheme, sentinel.db), ("sentinel", 2));
    assert_eq!(sentinel.safe(), "redis+sentinel://:***@a:26379,b:7/main/2");
    assert!(parse("embedded").endpoint == Endpoint::Embedded);
}

#[test]
fn secrets_are_decoded_and_never_shown() {
    let url = parse("redis://us%40er:hu%2Fnter%32@h/0");
    assert_eq!(url.login.username.as_deref(), Some("us@er"));
    assert_eq!(url.login.password.as_deref(), Some("hu/nter2"));
    assert_eq!(url.safe(), "redis://us@er:***@h:6379/0");
    let url = parse("redis+sentinel://h/s?password=hunter2&sentinel_password=hunter3");
    assert!(!format!("{url:?}{}", url.safe()).contains("hunter"));
    let url = parse("redis+sentinel://us%0aer:p@h/ser%1b[31mvice");
    assert_eq!(url.safe(), "redis+sentinel://us\\u{a}er:***@h:26379/ser\\u{1b}[31mvice/0");
    let url = parse("redis://:a@b:c@h");
    assert_eq!(url.login.password.as_deref(), Some("a@b:c"));
}

#[test]
fn nonsense_is_refused_without_repeating_it() {
    let cases = [
        "",
        "localhost:6379",
        "http://hunter2",
        "redis://hunter2@h",
        "redis://:hunter2/x@h",
        "redis://h:hunter2",
        "redis://h:0",
        "redis://h:70000",
        "redis://h/hunter2",
        "redis://h?hunter2=1",
        "redis://h?ssl_cert_reqs=none",
        "rediss://h?ssl_certfile=a",
        "rediss://h?ssl_cert_reqs=hunter2",
        "redis://[::1",
        "redis://:%ff@h",
        "unix://",
        "unix://:hunter2/x@/run/sock",
        "unix://:a@hunter2/x@/run/sock",
        "redis+sentinel://:a@b/hunter2@h/main",
        "redis+sentinel://:26379/hunter2@h/main",
    ];
    for text in cases {
        let error = RedisUrl::parse(text).unwrap_err();
        assert!(matches!(error, Error::Config(_)) && !error.to_string().contains("hunter"), "{text}: {error}");
    }
}

#[test]
fn tls_options() {
    let tls = parse("rediss://h?ssl_ca_certs=/ca.pem&ssl_cert_reqs=none&ssl_check_hostname=false").tls.unwrap();
    assert!(!tls.verify && !tls.check_hostname && tls.ca_certs == Some("/ca.pem".into()));
    assert!(parse("rediss://h").tls.unwrap().verify);
    assert!(parse("redis://h").tls.is_none());
}
