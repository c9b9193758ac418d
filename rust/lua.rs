//! The scripts of the server half. Each file says what its KEYS and ARGV are.

use crate::scripts::{Call, Script};

pub static CLAIM: Script = Script::new("claim", include_str!("lua/claim.lua"));
pub static ACK: Script = Script::new("ack", include_str!("lua/ack.lua"));
pub static SETTLE: Script = Script::new("settle", include_str!("lua/settle.lua"));
pub static GIVE_BACK: Script = Script::new("give_back", include_str!("lua/give_back.lua"));
pub static JOIN: Script = Script::new("join", include_str!("lua/join.lua"));
pub static BEAT: Script = Script::new("beat", include_str!("lua/beat.lua"));
pub static LEAVE: Script = Script::new("leave", include_str!("lua/leave.lua"));
pub static FENCE: Script = Script::new("fence", include_str!("lua/fence.lua"));
pub static RESCUE: Script = Script::new("rescue", include_str!("lua/rescue.lua"));
pub static START: Script = Script::new("start", include_str!("lua/start.lua"));
pub static DUE: Script = Script::new("due", include_str!("lua/due.lua"));
pub static MOVE: Script = Script::new("move", include_str!("lua/move.lua"));
pub static CRON_DUE: Script = Script::new("cron_due", include_str!("lua/cron_due.lua"));
pub static CRON_TICK: Script = Script::new("cron_tick", include_str!("lua/cron_tick.lua"));
pub static CRON_HOLD: Script = Script::new("cron_hold", include_str!("lua/cron_hold.lua"));
pub static CRON_MOVE: Script = Script::new("cron_move", include_str!("lua/cron_move.lua"));
pub static CRON_ORPHAN: Script = Script::new("cron_orphan", include_str!("lua/cron_orphan.lua"));
pub static CRON_TURN: Script = Script::new("cron_turn", include_str!("lua/cron_turn.lua"));

pub fn script_call(script: &'static Script, keys: Vec<Vec<u8>>, args: Vec<Vec<u8>>) -> Call {
    Call::Script { script, keys, args }
}

pub fn command(words: &[&[u8]]) -> Call {
    Call::Command(words.iter().map(|word| word.to_vec()).collect())
}
