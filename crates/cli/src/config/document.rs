//! The reference page and the example file, made from the table of options.

use super::checks::FIELDS;
use super::options::{OPTIONS, Opt, Preset, SECTIONS, Section};
use super::postgres;
use std::fmt::Write;

/// A configuration file with every option: the ones that must be set as they might be, the others commented out.
pub(crate) fn example() -> String {
    let mut text = String::from(
        "# Whither agent configuration. Lines that are commented out show the default, or an example where the default\n\
         # depends on the machine. Check it with `whither config check FILE`, use it with `whither agent --config FILE`.\n",
    );
    for Section { name: section, about, .. } in SECTIONS {
        let _ = write!(text, "\n# {about}\n[{section}]\n");
        for opt in options_of(section) {
            let required = matches!(opt.preset, Preset::Required(_));
            let comment = if required { "" } else { "# " };
            let _ = writeln!(text, "\n# {}.{}", opt.help, shown_unless_written(opt));
            let _ = writeln!(text, "{comment}{} = {}", opt.name(), opt.example());
        }
    }
    text.push_str(
        "\n# Somebody who may connect with PostgreSQL, as often as needed; without any, everybody on this host may.\n\
         # [[postgres.user]]\n#   name = \"app\"\n#   password_file = \"/etc/whither/app.password\"\n#   writes = true\n",
    );
    text.push_str(
        "\n# A check of this agent's own, as often as needed. Only here can it be a command.\n# [[check]]\n\
         #   service = \"prod/recos\"\n#   exec = [\"/usr/lib/check-disk\", \"/data\"]\n#   interval = \"30s\"\n",
    );
    text
}

/// The reference page, Markdown.
pub(crate) fn reference() -> String {
    let mut text = String::from(
        "# Configuration\n\n\
         <!-- Generated from the table of options in the command line's source; the test that compares them says how to\n\
         write it anew. -->\n\n\
         Every option of `whither agent` can be set in four places. The later one wins:\n\n\
         1. its default,\n\
         2. the file named with `--config` or `WHITHER_CONFIG`: TOML, with a section for each group below,\n\
         3. its environment variable; lists are separated by commas, and a variable set to nothing counts as not set,\n\
         4. its flag; the flag of a list may be repeated, and the list replaces that of the file.\n\n\
         `whither config` prints a file to start from, `whither config check FILE` says what an agent would make of\n\
         yours. An unknown option, a value out of range or a missing unit is refused at start, with its line.\n\n\
         A duration is a whole number and a unit: `500ms`, `10s`, `2m`, `1h`, `1d`.\n",
    );
    for Section { name: section, about, .. } in SECTIONS {
        let _ = write!(text, "\n## `[{section}]`\n\n{about}\n");
        for opt in options_of(section) {
            let _ = write!(text, "\n### `{}`\n\n{}.", opt.key, opt.help);
            if !opt.more.is_empty() {
                let _ = write!(text, " {}", opt.more);
            }
            let preset = match opt.preset {
                Preset::Fixed(_) => format!("`{}`", opt.shown_preset()),
                _ => opt.shown_preset(),
            };
            let _ = write!(text, "\n\n- Type: {}\n- Default: {preset}\n", opt.kind.describe());
            let _ = writeln!(text, "- Example: `{} = {}`", opt.name(), opt.example());
            let _ =
                writeln!(text, "- Flag: `--{} <{}>`, environment: `{}`", opt.flag, opt.kind.value_name(), opt.env());
        }
    }
    text.push_str(
        "\n## `[[postgres.user]]`\n\n\
         Who may connect with PostgreSQL, by password (SCRAM-SHA-256), as often as needed. Without any, everybody who can reach\n\
         `postgres.bind` may, which is then a loopback address. They are read from the file alone.\n\n\
         | Field | |\n|---|---|\n",
    );
    for (field, about) in postgres::FIELDS {
        let _ = writeln!(text, "| `{field}` | {about} |");
    }
    text.push_str(
        "\n## `[[check]]`\n\n\
         Checks of the agent's own, as often as needed, for instances that are registered with it; beside those that come\n\
         with a registration, and run like them. They are read from the file alone: a command, or somebody else's address,\n\
         can be named nowhere else. Each has a service and exactly one of `exec`, `http`, `https`, `tcp` and `grpc`.\n\n\
         | Field | |\n|---|---|\n",
    );
    for (field, about) in FIELDS {
        let _ = writeln!(text, "| `{field}` | {about} |");
    }
    let _ = write!(text, "\n## An example\n\n```toml\n{}```\n", example());
    text
}

fn options_of(section: &str) -> impl Iterator<Item = &'static Opt> {
    OPTIONS.iter().copied().filter(move |opt| opt.section() == section)
}

/// The preset in words, where the example line does not show it.
fn shown_unless_written(opt: &Opt) -> String {
    match opt.preset {
        Preset::Fixed(_) if opt.example.is_empty() => String::new(),
        _ => format!(" Default: {}.", opt.shown_preset()),
    }
}
