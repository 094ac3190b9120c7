//! `whither story`.

use crate::console::Console;
use crate::failure::{DONE, Usage};
use crate::story::stage::{Interrupted, Stage};
use crate::story::teller::Teller;
use crate::story::{Ending, deploy, fleet, night, registry_down, serve};
use crate::table::{Cell, Column, Table, Tone};
use serde_json::json;
use std::net::SocketAddr;
use std::process::ExitCode;

/// What the command takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  whither story                    which stories there are
  whither story deploy             a rolling restart that no caller notices
  whither story 0314 --json        the facts, as one document
  whither story fleet --keep       leave data directories and logs behind

Agents, servers and clients are real processes on loopback, with data in a folder for temporary files. They end with the \
            story, also on Ctrl-C. Exits with 0 if the story ended well, with 1 if not, with 130 if it was interrupted.")]
pub(crate) struct Args {
    /// Leave the folder with data directories and logs behind, and say where it is
    #[arg(long, global = true)]
    keep: bool,
    #[command(subcommand)]
    story: Option<Story>,
}

#[derive(Debug, clap::Subcommand)]
enum Story {
    /// A rolling restart of ten servers that no caller notices
    Deploy(deploy::Args),
    /// One of three frontends gets connection refused, and doctor names who lied to it
    #[command(name = "0314")]
    Night(night::Args),
    /// Two of three agents are killed, then the third: answers go on, and say how old they are
    RegistryDown(registry_down::Args),
    /// A death is heard by a whole fleet, and poison is not
    Fleet(fleet::Args),
    /// Answer with a name, as a sample server of a story
    #[command(hide = true, after_help = "Examples:\n  whither story serve --name recos-1 --bind 127.0.0.1:8080")]
    Serve {
        /// What it answers with
        #[arg(long)]
        name: String,
        /// Where it listens
        #[arg(long, value_name = "IP:PORT")]
        bind: SocketAddr,
    },
    #[command(external_subcommand)]
    Other(Vec<String>),
}

/// Name, how long it takes in seconds, and what it is about. A test checks that these are the stories that can be played.
const STORIES: [(&str, &str, &str); 4] = [
    ("deploy", "16s", "ten servers are restarted one after the other, and no caller notices"),
    ("0314", "3s", "one of three frontends gets connection refused, and doctor names who lied to it"),
    ("registry-down", "5s", "two of three agents are killed, then the third: answers go on, and say how old they are"),
    ("fleet", "16s", "a death is heard by a whole fleet, and poison is not"),
];
/// The one that cannot be played yet.
const TO_COME: (&str, &str) = ("tokens", "N unknown servers reload a tenant without discovery: comes with tokens");
/// As shells have it: ended by SIGINT.
const INTERRUPTED: u8 = 130;

/// Runs the command.
pub(crate) fn run(args: &Args, json: bool) -> anyhow::Result<ExitCode> {
    let name = match &args.story {
        None => return list(&mut Console::of_process(), json),
        Some(Story::Serve { name, bind }) => {
            serve::serve(*bind, name)?;
            return Ok(DONE);
        }
        Some(Story::Other(words)) => return Err(unknown(words).into()),
        Some(Story::Deploy(_)) => "deploy",
        Some(Story::Night(_)) => "0314",
        Some(Story::RegistryDown(_)) => "registry-down",
        Some(Story::Fleet(_)) => "fleet",
    };
    let mut teller = Teller::of_process(json);
    let stage = Stage::set(args.keep)?;
    let played = play(args, &stage, &mut teller);
    if args.keep {
        teller.console.note(&format!("data directories and logs are in {}", stage.folder().display()));
    }
    drop(stage);
    let ending = match played {
        Ok(ending) => ending,
        Err(error) if error.is::<Interrupted>() => {
            teller.console.note(&Interrupted.to_string());
            return Ok(ExitCode::from(INTERRUPTED));
        }
        Err(error) => return Err(error),
    };
    ending.tell(name, &mut teller)?;
    Ok(if ending.is_well() { DONE } else { ExitCode::FAILURE })
}

fn play(args: &Args, stage: &Stage, teller: &mut Teller) -> anyhow::Result<Ending> {
    match &args.story {
        Some(Story::Deploy(args)) => deploy::play(args, stage, teller),
        Some(Story::Night(_)) => night::play(stage, teller),
        Some(Story::RegistryDown(args)) => registry_down::play(args, stage, teller),
        Some(Story::Fleet(args)) => fleet::play(args, stage, teller),
        None | Some(Story::Serve { .. } | Story::Other(_)) => anyhow::bail!("that is no story"),
    }
}

/// What is wrong with the name of a story.
fn unknown(words: &[String]) -> Usage {
    let word = words.first().map(String::as_str).unwrap_or_default();
    let names = STORIES.map(|(name, ..)| name).join(", ");
    if word == TO_COME.0 {
        return Usage(format!("the story {word} cannot be played yet: it comes with tokens; there are: {names}"));
    }
    Usage(format!("there is no story {word:?}; there are: {names} (`whither story` lists them)"))
}

fn list(console: &mut Console, json: bool) -> anyhow::Result<ExitCode> {
    if json {
        let playable =
            STORIES.iter().map(|(name, _, about)| json!({ "story": name, "about": about, "playable": true }));
        let to_come = json!({ "story": TO_COME.0, "about": TO_COME.1, "playable": false });
        let all: Vec<_> = playable.chain([to_come]).collect();
        console.line(&json!({ "stories": all }).to_string())?;
        return Ok(DONE);
    }
    let mut table =
        Table::new(&[Column::fixed("STORY"), Column::fixed("TAKES"), Column::flexible("WHAT_HAPPENS", 40, 1)]);
    for (name, takes, about) in STORIES {
        table.push([Cell::new(name, Tone::Plain), Cell::new(takes, Tone::Plain), Cell::new(about, Tone::Plain)]);
    }
    table.push([Cell::new(TO_COME.0, Tone::Faint), Cell::new("-", Tone::Faint), Cell::new(TO_COME.1, Tone::Faint)]);
    console.table(&table)?;
    console.note("play one with `whither story NAME`");
    Ok(DONE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Subcommand;

    #[test]
    fn a_story_that_is_not_there_is_answered_with_those_that_are() {
        let says = |word: &str| unknown(&[word.to_owned()]).0;
        assert!(says("deplyo").contains("there are: deploy, 0314"), "{}", says("deplyo"));
        assert!(says("tokens").contains("comes with tokens"), "{}", says("tokens"));
    }

    #[test]
    fn the_list_names_every_story_that_can_be_played() {
        let command = Story::augment_subcommands(clap::Command::new("story"));
        let playable: Vec<&str> =
            command.get_subcommands().filter(|sub| !sub.is_hide_set()).map(clap::Command::get_name).collect();
        assert_eq!(playable, STORIES.map(|(name, ..)| name));
    }
}
