//! SWIM as its paper has it (Das, Gupta, Motivala, DSN 2002): failure detector, dissemination by infection, suspicion.

mod config;
mod message;
mod news;
mod node;
mod order;
mod suspecting;
pub mod theory;

pub use config::{Config, Pacing, Spread, Targets};
pub use message::{Kind, Message};
pub use news::{NEWS_PER_MESSAGE, News, State};
pub use node::{Node, Told};
