//! Where inputs come from: real ones, what their formats are made of, and noise; then edited.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// What a target's inputs look like.
pub struct Kind {
    /// Whole ones.
    pub real: Vec<&'static [u8]>,
    /// Parts of which most are meaningful in any order.
    pub parts: Vec<&'static [u8]>,
}

#[derive(Debug, Clone)]
enum Edit {
    Put(Index, Vec<u8>),
    Cut(Index, usize),
    Set(Index, u8),
    Repeat(Index, usize, usize),
    End(Index),
}

/// Bytes for one run of a target, small at first when they are shrunk.
pub fn inputs(kind: Kind) -> BoxedStrategy<Vec<u8>> {
    let part = select(kind.parts);
    let parts = |most| vec(part.clone(), 0..most).prop_map(|parts| parts.concat());
    let start = prop_oneof![
        4 => select(kind.real).prop_map(<[u8]>::to_vec),
        4 => parts(40),
        1 => vec(any::<u8>(), 0..64),
    ];
    let edit = prop_oneof![
        4 => (any::<Index>(), parts(3)).prop_map(|(at, bytes)| Edit::Put(at, bytes)),
        2 => (any::<Index>(), 1..20_usize).prop_map(|(at, length)| Edit::Cut(at, length)),
        2 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Edit::Set(at, byte)),
        1 => (any::<Index>(), 1..40_usize, 2..30_usize).prop_map(|(at, length, times)| Edit::Repeat(at, length, times)),
        1 => any::<Index>().prop_map(Edit::End),
    ];
    (start, vec(edit, 0..5)).prop_map(|(bytes, edits)| edits.into_iter().fold(bytes, edited)).boxed()
}

fn edited(mut bytes: Vec<u8>, edit: Edit) -> Vec<u8> {
    let place = |at: Index| at.index(bytes.len() + 1);
    match edit {
        Edit::Put(at, more) => {
            let at = place(at);
            bytes.splice(at..at, more);
        }
        Edit::Cut(at, length) => {
            let at = place(at);
            let end = (at + length).min(bytes.len());
            bytes.drain(at..end);
        }
        Edit::Set(at, byte) => {
            let at = place(at);
            if let Some(there) = bytes.get_mut(at) {
                *there = byte;
            }
        }
        Edit::Repeat(at, length, times) => {
            let at = place(at);
            let more = bytes[at..(at + length).min(bytes.len())].repeat(times);
            bytes.splice(at..at, more);
        }
        Edit::End(at) => bytes.truncate(place(at)),
    }
    bytes
}

const PAYLOADS: [&[u8]; 6] = [
    br#"{"retry":5,"queue":"critical","tags":["a"],"args":[1,2.5,"\u00e9",null,true,{"a":[1]}],"class":"HardJob","jid":"639f82c6e8c70f9509bc0b7d","created_at":1795305947963,"enqueued_at":1795305947963}"#,
    br#"{"retry":2,"queue":"default","backtrace":3,"args":[7,"x"],"class":"BoomJob","jid":"efc1bd3fb8f0d951e17303b6","created_at":1795305969202,"enqueued_at":1795305969202,"error_message":"boom <b>","error_class":"ArgumentError","failed_at":1795305969439,"retry_count":0,"error_backtrace":"eJyLVtIvEng=="}"#,
    br#" { "cl\u0061ss" : "A\n\ud83d\ude00\ud800" , "args" : [ ] , "jid" : 5, "error_message":"x","retry_count":1 , "a\n":[] } "#,
    br#"{"class":"A","args":[1e400,-0.0,12345678901234567890123456789,"\\\"\/"],"failed_at":1.5,"enqueued_at":null}"#,
    br#"{"retry":true,"queue":"default","wrapped":"MailJob","args":[{"job_class":"MailJob","arguments":[{"a":1,"_aj_symbol_keys":["a"]}]}],"class":"Sidekiq::ActiveJob::Wrapper","jid":"639f82c6e8c70f9509bc0b7d"}"#,
    br#"{"args":[[[[[[[[[[{"a":{"b":{"c":[]}}}]]]]]]]]]],"class":"deep"}"#,
];

const REQUESTS: [&[u8]; 3] = [
    b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1:9000\r\nUser-Agent: Prometheus/3.0\r\nAccept: text/plain\r\n\r\n",
    b"HEAD /live?verbose HTTP/1.0\r\n\r\n",
    b"POST /ready HTTP/1.1\r\nhost:[::1]\r\nContent-Length: 2\r\n\r\n{}",
];

const REQUEST_PARTS: [&[u8]; 16] = [
    b"GET ",
    b"HEAD ",
    b"PUT ",
    b"/live",
    b"/",
    b"?a=b",
    b"*",
    b"http://h/live",
    b" HTTP/1.1",
    b" HTTP/1.0",
    b"\r\n",
    b"\r\n\r\n",
    b"Host: localhost",
    b"Host: evil.example",
    b"X: x\r\n",
    b"\0",
];

const JSON_PARTS: [&[u8]; 48] = [
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\"",
    b"\\",
    b" ",
    b"\n",
    b"\t",
    b"\0",
    b"\x7f",
    b"\xff",
    b"\xc3\xa9",
    b"\xe2\x80\xae",
    b"\"class\":\"A\"",
    b"\"args\":[]",
    b"\"jid\":\"0123\"",
    b"\"queue\":\"q\"",
    b"\"failed_at\":1",
    b"\"enqueued_at\":2",
    b"\"error_message\":\"\"",
    b"\"retry_count\":",
    b"\"a\\n\":1",
    b"\"a\":",
    b"\"\\u0061\":",
    b"\\u0000",
    b"\\ud83d",
    b"\\ude00",
    b"\\u00",
    b"\\x",
    b"true",
    b"false",
    b"null",
    b"nul",
    b"NaN",
    b"Infinity",
    b"-",
    b"0",
    b"17",
    b"1.5",
    b"e",
    b"E+3",
    b".",
    b"1e999",
    b"99999999999999999999",
    b"\"x\"",
];

const REPLIES: [&[u8]; 7] = [
    b"*3\r\n:0\r\n*3\r\n:0\r\n$2\r\n{}\r\n$3\r\nabc\r\n*2\r\n:1\r\n$0\r\n\r\n",
    b"+OK\r\n-ERR no way\r\n:42\r\n$5\r\nhello\r\n$-1\r\n*-1\r\n_\r\n#t\r\n,1.5\r\n(99\r\n",
    b"*6\r\n:1795305969\r\n:17\r\n*1\r\n$34\r\n{\"class\":\"A\",\"args\":[],\"queue\":\"q\"}\r\n*0\r\n$12\r\n1795305970.5\r\n$0\r\n\r\n",
    b"%1\r\n+a\r\n~2\r\n:1\r\n=7\r\ntxt:abc\r\n!5\r\nERR x\r\n>1\r\n+m\r\n",
    b"+FENCED\r\n",
    b"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n",
    b"*2\r\n:9223372036854775807\r\n:9223372036854775807\r\n",
];

const REPLY_PARTS: [&[u8]; 33] = [
    b"\r\n",
    b"\r",
    b"\n",
    b"*",
    b"$",
    b":",
    b"+",
    b"-",
    b"_",
    b"%",
    b"~",
    b">",
    b"=",
    b"!",
    b"#",
    b",",
    b"(",
    b"0",
    b"1",
    b"2",
    b"-1",
    b"*2\r\n",
    b":0\r\n",
    b"$1\r\nx\r\n",
    b"$0\r\n\r\n",
    b"*0\r\n",
    b"*1\r\n",
    b"_\r\n",
    b"*1000000000\r\n",
    b"$999999999999\r\n",
    b"$536870912\r\n",
    b":-9223372036854775808\r\n",
    b"$34\r\n{\"class\":\"A\",\"args\":[],\"queue\":\"q\"}\r\n",
];

const URLS: [&[u8]; 7] = [
    b"rediss://user:pa%40ss@redis.example.org:6380/3?ssl_ca_certs=/ca.pem&ssl_cert_reqs=none&ssl_check_hostname=false",
    b"redis+sentinel://:p@a,b:7,[::1]:26379/main/2?sentinel_password=x",
    b"unix://u:p@/run/redis.sock?db=1",
    b"redis://[::1]:7000/0",
    b"embedded",
    b"redis://h?db=5&username=u&password=p",
    b"",
];

const URL_PARTS: [&[u8]; 37] = [
    b"redis://",
    b"rediss://",
    b"unix://",
    b"redis+sentinel://",
    b"sentinel://",
    b"embedded",
    b":",
    b"/",
    b"@",
    b"?",
    b"&",
    b"=",
    b",",
    b"[",
    b"]",
    b"#",
    b"%",
    b"%0a",
    b"%00",
    b"%1b",
    b"%ff",
    b"%40",
    b"\n",
    b"\x1b",
    b" ",
    b"\xe2\x80\xae",
    b"h",
    b"6379",
    b"99999",
    b"0",
    b"password=",
    b"username=",
    b"db=",
    b"ssl_certfile=",
    b"ssl_cert_reqs=",
    b"sentinel_password=",
    b"::1",
];

const RECORDS: [&[u8]; 6] =
    [b"2:1:1795305969", b"1 1", b"4294967295:0:-9223372036854775808", b"639f82c6e8c70f9509bc0b7d", b"1 0", b""];
const RECORD_PARTS: [&[u8]; 14] =
    [b":", b"1", b"0", b"-", b"+", b" ", b"9", b"4294967295", b"9223372036854775807", b"\n", b"a", b"\xff", b"#", b"_"];

const DEFINITIONS: [&[u8]; 6] = [
    br#"{"name":"nightly","class":"shop.CleanUp","args":[30],"queue":"low","cron":"0 3 * * *","timezone":"Europe/Berlin","missed":"once","description":"","enabled":true,"source":"code","options":{"retry":true}}"#,
    br#"{"name":"poll","class":"Poll","args":[],"queue":"q","every":90.5,"first_in":10,"missed":"all","source":"api","options":{"tags":["a"],"retry":5}}"#,
    br#"{"name":"gap","class":"A","args":[],"queue":"q","interval":5}"#,
    br#"{"name":"in","class":"A","args":[],"queue":"q","in":60,"timezone":"UTC"}"#,
    br#"{"name":"launch","class":"A","args":[],"queue":"q","in":60,"at":1922421600.5,"enabled":false}"#,
    br#"{"name":"n\u00e4","class":"Shop::Poll","args":[{}],"queue":"q","cron":"*/20 * 8-18 * * mon-fri","missed":"skip"}"#,
];

const DEFINITION_PARTS: [&[u8]; 48] = [
    br#"{"name":"n","class":"A","args":[],"queue":"q","#,
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\"",
    b"\\u0000",
    b"\\ud83d",
    b"\xff",
    b"null",
    b"true",
    b"1e999",
    b"-0.0004",
    b"0.9996",
    b"315360000",
    b"\"name\":\"n\"",
    b"\"class\":\"A\"",
    b"\"queue\":\"q\"",
    b"\"args\":[1]",
    b"\"cron\":\"",
    b"\"cron\":\"@daily\"",
    b"\"cron\":null",
    b"\"every\":60",
    b"\"every\":",
    b"\"first_in\":5",
    b"\"interval\":1.5",
    b"\"at\":1922421600",
    b"\"at\":null",
    b"\"in\":60",
    b"\"timezone\":\"Australia/Lord_Howe\"",
    b"\"timezone\":\"x\"",
    b"\"missed\":\"all\"",
    b"\"missed\":\"skip\"",
    b"\"enabled\":false",
    b"\"source\":\"api\"",
    b"\"description\":\"\"",
    b"\"options\":{\"retry\":1,",
    b"\"tags\":[]",
    b"*",
    b" ",
    b"*/7",
    b"0 6 * * *",
    b"L",
    b"15W",
    b"5#2",
    b"1-5,+",
];

/// What a target is fed with.
pub fn kind(target: &str) -> Kind {
    let (real, parts): (&[&[u8]], &[&[u8]]) = match target {
        "payload" | "json" | "strings" => (&PAYLOADS, &JSON_PARTS),
        "resp" | "claims" | "due" => (&REPLIES, &REPLY_PARTS),
        "url" => (&URLS, &URL_PARTS),
        "requests" => (&REQUESTS, &REQUEST_PARTS),
        "definitions" => (&DEFINITIONS, &DEFINITION_PARTS),
        "floats" => {
            (&[&[0; 8], &[0xff; 8], &[1, 0, 0, 0, 0, 0, 0xf0, 0x3f]], &[&[0], &[0xff], &[0x3f], &[0x7f], &[0xf0]])
        }
        _ => (&RECORDS, &RECORD_PARTS),
    };
    Kind { real: real.to_vec(), parts: parts.to_vec() }
}
