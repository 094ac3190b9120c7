//! What must be true of agents as their users meet them, one file per story.

mod asking;
mod backup;
mod checks;
mod copy;
mod corrosion;
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
mod postgres;
mod registration;
mod run;
mod seed_name;
mod socket;
mod start_trouble;
mod tables;
mod template;
mod template_haproxy;
mod upkeep;
mod watching;
