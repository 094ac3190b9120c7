use super::*;
use crate::cli;
use crate::cmd::Command;
use std::ffi::OsString;
use std::path::Path;

fn parsed(line: &str) -> Result<Args, String> {
    let words = "whither simulate".split_whitespace().chain(line.split_whitespace()).map(OsString::from);
    match cli::parse(words.collect()) {
        Ok((cli::Cli { command: Command::Simulate(args), .. }, _)) => Ok(args),
        Ok((cli, _)) => Err(format!("{cli:?}")),
        Err(cli::ParseError::Clap(error)) => Err(error.to_string()),
        Err(cli::ParseError::Usage(error)) => Err(error.to_string()),
    }
}

fn args(line: &str) -> Args {
    parsed(line).unwrap()
}

fn refused(line: &str) -> String {
    let args = args(line);
    let refused = settings(&args).and_then(|settings| plan(&settings));
    refused.expect_err(line).to_string()
}

fn found(line: &str) -> Findings {
    let args = args(line);
    let settings = settings(&args).unwrap();
    let plan = plan(&settings).unwrap();
    find_out(&args, settings, plan).unwrap()
}

const SMALL: &str = "--nodes 40 --kill 2 --updates 10 --runs 2 --seed 7";

#[test]
fn what_nobody_sets_is_what_an_agent_has_and_what_the_study_has() {
    let mut command = cli::command();
    command.build();
    let help = command.find_subcommand("agent").unwrap().clone().render_help().to_string();
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    let usual = args("");
    let probe = format!("[default: {}]", duration::exact(usual.probe_interval));
    let suspicion = format!("[default: {}]", usual.suspicion);
    for (flag, preset) in [("--probe-interval <DURATION>", probe), ("--suspicion <N>", suspicion)] {
        let told = help.split(flag).nth(1).unwrap().split(" --").next().unwrap();
        assert!(told.contains(&preset), "{told}: not {preset}");
    }
    assert_eq!(settings(&usual).unwrap(), Settings::default());
}

#[test]
fn all_troubles_can_be_asked_for() {
    let args =
        args("--nodes 500 --regions world --loss 5% --burst 50ms --kill 10 --partition 20s:30% --deploy --duration 5m");
    let settings = settings(&args).unwrap();
    assert_eq!((settings.nodes, settings.regions, settings.loss, settings.kill), (500, Regions::WORLD, 0.05, 10));
    assert_eq!(settings.partition, Some(Partition { length: Duration::from_secs(20), share: 0.3 }));
    assert_eq!(settings.deploy, Some(Deploy { share: 0.1, away: Duration::from_secs(2) }));
    assert_eq!(plan(&settings).unwrap().length(), Duration::from_secs(300));
}

#[test]
fn bad_input_is_told_what_where_and_what_would_be_right() {
    for (line, told) in [
        ("--nodes 2", "invalid value '2' for '--nodes <N>': \"2\" is not a whole number from 3 to 100000"),
        ("--loss 5", "for '--loss <SHARE>': \"5\" has no %; expected a share such as 5%"),
        ("--burst 50", "\"50\" has no unit; expected a whole number and a unit, for example 500ms"),
        ("--kill some", "expected a number or a share, for example 10 or 10%"),
        ("--partition 20s:0%", "leaves nobody on one side"),
        ("--regions 3000", "\"3000\" is no number of regions; expected 1 (one data centre) to 19, or world (all 19)"),
        ("--regions 0", "invalid value '0' for '--regions <N|world>': \"0\" is no number of regions"),
        ("--regions 20", "expected 1 (one data centre) to 19"),
        ("--probe-interval 1h", "\"1h\" is out of range; expected 50ms to 1m"),
        ("--suspicion 21", "\"21\" is not a whole number from 1 to 20"),
        ("--runs 0", "\"0\" is not a whole number from 1 to 1000"),
    ] {
        let error = parsed(line).unwrap_err();
        assert!(error.contains(told), "{line}:\n{error}");
    }
    assert!(refused("--nodes 10 --kill 100%").contains("--kill 100%: two of 10 nodes at least have to stay"));
    assert!(refused("--burst 50ms").contains("expected --loss too"));
    assert!(refused("--loss 95%").contains("expected 0% to 90%"));
    let short = refused("--duration 10s --partition 20s");
    assert!(short.contains("--duration 10s is too short") && short.contains("expected at least "), "{short}");
    let least = short.split("expected at least ").nth(1).unwrap().split(',').next().unwrap();
    let enough = args(&format!("--duration {least} --partition 20s"));
    assert!(settings(&enough).and_then(|settings| plan(&settings)).is_ok());
}

#[test]
fn the_command_that_repeats_it_asks_for_the_same() {
    let all = "--nodes 500 --regions 7 --probe-interval 400ms --suspicion 2 --loss 5% --burst 50ms --kill 10% \
               --partition 20s:30% --deploy 25%:500ms --updates 10 --update-bytes 64 --duration 5m --seed 9 --runs 2 --budget 5";
    for line in [SMALL, all] {
        let asked = args(line);
        let again = command_line::of(&asked);
        let parsed = args(again.strip_prefix("whither simulate ").unwrap());
        assert_eq!(settings(&parsed).unwrap(), settings(&asked).unwrap());
        assert_eq!((parsed.seed, parsed.runs), (asked.seed, asked.runs));
        assert_eq!(command_line::of(&parsed), again);
    }
}

/// A small run as JSON, recorded: whoever changes the protocol sees here that, and how, results change.
#[test]
fn the_same_seed_gives_the_recorded_summary() {
    let lossy = "--nodes 40 --regions world --kill 2 --updates 10 --runs 2 --seed 7 --loss 5%";
    let measured = |line: &str| serde_json::to_string_pretty(&json::measured(&found(line))).unwrap() + "\n";
    let told = measured(lossy);
    assert_eq!(told, measured(lossy));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cmd/simulate/recorded.json");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &told).unwrap();
    }
    let recorded = std::fs::read_to_string(&path).unwrap();
    assert!(
        told == recorded,
        "a simulation gave other numbers; UPDATE=1 records them, the diff is to be read:\n{told}"
    );
}

#[test]
fn a_run_that_is_given_up_says_from_which_seed_and_how_to_see_it_again() {
    let args = args("--nodes 40 --seed 5 --runs 1 --budget 1000 --no-advice");
    let settings = settings(&args).unwrap();
    let plan = plan(&settings).unwrap();
    let error = find_out(&args, settings, plan).err().unwrap();
    let told = error.to_string();
    assert!(told.contains("given up: seed 5: ") && told.contains("events used up the budget"), "{told}");
    assert!(told.contains("whither simulate --nodes 40") && told.contains("--seed 5 --runs 1 --budget 1000"), "{told}");
    assert_eq!(crate::failure::exit_code(&error), 1);
}

#[test]
fn the_words_answer_what_was_asked() {
    let style = crate::table::Style { colour: false, width: Some(100) };
    let text = words::render(&found(&format!("{SMALL} --partition 15s")), style).replace('\u{a0}', " ");
    for expected in [
        "40 nodes in one data centre\n",
        "Deaths        4 deaths, each known to all survivors\n",
        "  known everywhere          p50 ",
        "False alarms  ",
        "  wrongly declared down     none",
        "  idle                      ",
        "  delivered                 100 % without anti-entropy",
        "Division      50% of nodes cut off for 15.0 s\n",
        "  seeds                     7, 8\n",
        "What that means\n  · A node that dies",
        "With --probe-interval 400ms, a death would be known everywhere after",
        "  whither simulate --nodes 40 ",
    ] {
        assert!(text.contains(expected), "{expected:?} in\n{text}");
    }
    assert!(
        text.lines().filter(|line| !line.contains("whither simulate")).all(|line| line.chars().count() <= 100),
        "{text}"
    );
}

#[test]
fn a_rolling_restart_is_told_as_the_others_saw_it() {
    let style = crate::table::Style { colour: false, width: Some(100) };
    let told = "--nodes 40 --kill 0 --updates 0 --runs 1 --no-advice --regions 3 --deploy 50%";
    let text = words::render(&found(told), style).replace('\u{a0}', " ");
    for expected in [
        "40 nodes in 3 regions\n",
        "Restarts      50% at a time, each says goodbye and is away 2.00 s\n",
        "  leaving, seen by each     p50 ",
        "  goodbye missed            ",
        "  return, seen by all       p50 ",
        "  accused while there       none",
        "  after the last was back   all agreed within ",
        "Every goodbye was heard by everybody",
        "a return is known",
    ] {
        assert!(text.contains(expected), "{expected:?} in\n{text}");
    }
    let json = json::measured(&found(told));
    let seen = &json["deploy"];
    assert_eq!((&seen["restarts"], &seen["removals"]["expected"]), (&40.into(), &(40 * 20).into()));
    assert_eq!(seen["returns"]["seen"], 40 * 39);
}

#[test]
fn the_page_is_well_formed_and_needs_nothing_else() {
    let mut findings = found("--nodes 60 --regions world --kill 2 --updates 10 --runs 2 --loss 2%");
    findings.command = "whither <script>alert('x')</script> & \"more\"".into();
    let html = page::render(&findings);
    well_formed(&html);
    for external in ["http:", "https:", "//", "url(", "@import", " src=", "<link", "<script", "<iframe"] {
        assert!(!html.contains(external), "{external} in the page");
    }
    assert!(html.contains("whither &lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; &quot;more&quot;"));
    assert_eq!(html.matches("<svg ").count(), 7);
    assert_eq!(html.matches("<svg ").count(), html.matches("<desc ").count());
    assert_eq!(html.matches("<svg ").count(), html.matches("<details>").count());
    for none in ["NaN", ">inf", " inf", "\"inf"] {
        assert!(!html.replace("informed", "").contains(none), "{none}: a number that is none");
    }
}

#[test]
fn a_page_of_nothing_but_quiet_is_a_page() {
    let html = page::render(&found("--nodes 10 --kill 0 --updates 0 --runs 1 --no-advice"));
    well_formed(&html);
    assert!(html.contains("An idle node sends") && !html.contains("NaN"));
}

/// Panics unless every element that is opened is closed, in the right order, and every attribute is quoted.
fn well_formed(html: &str) {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = html.strip_prefix("<!DOCTYPE html>").unwrap();
    while let Some(begin) = rest.find('<') {
        let text = &rest[..begin];
        assert!(!text.contains('>') || open.last() == Some(&"style"), "a loose > in {text:?}");
        let end = begin + rest[begin..].find('>').expect("every < has its >");
        let (tag, after) = (&rest[begin + 1..end], &rest[end + 1..]);
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "closed in the wrong order near {text:?}");
        } else {
            assert!(tag.matches('"').count().is_multiple_of(2), "{tag}");
            let name = tag.split([' ', '/']).next().unwrap();
            assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric()) && !name.is_empty(), "{tag}");
            if !tag.ends_with('/') {
                open.push(name);
            }
        }
        rest = after;
    }
    assert!(open.is_empty(), "never closed: {open:?}");
}
