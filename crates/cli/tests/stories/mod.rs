//! What must be true of agents as their users meet them, one file per story.

mod asking;
mod checks;
mod copy;
mod crashes;
mod death;
mod deploy;
mod disk;
mod doctor;
mod goodbye;
mod lag;
mod lease;
mod pause;
mod played;
mod registration;
mod run;
mod seed_name;
mod socket;
mod start_trouble;
mod watching;
