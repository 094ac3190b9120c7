//! Real agents, each a process of its own on loopback: killed, paused, restarted, copied, starved of disk, and asked all the
//! while. `agents` starts and asks them; `stories` says what must then be true.

mod agents;
mod stories;
