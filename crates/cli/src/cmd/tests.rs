use super::*;
use crate::agent_api::tests::{Reply, Script};
use crate::cli::{self, ParseError};
use crate::failure;
use crate::feed::{Backoff, Feed, Step};
use crate::keeper::{Beat, Keeper};
use crate::table::Style;
use std::cell::RefCell;
use std::io::Write;
use std::rc::Rc;
use std::time::Duration;

#[derive(Clone, Default)]
struct Buffer(Rc<RefCell<Vec<u8>>>);

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Buffer {
    fn text(&self) -> String {
        String::from_utf8(self.0.borrow().clone()).unwrap()
    }
}

fn arguments(line: &str) -> Vec<OsString> {
    std::iter::once("whither").chain(line.split_whitespace()).map(OsString::from).collect()
}

/// What a command line did: standard output, standard error, what the agent was asked, and the error or none.
pub(super) struct Done {
    pub(super) out: String,
    pub(super) err: String,
    pub(super) asked: Vec<String>,
    pub(super) error: Option<anyhow::Error>,
}

fn run_with(line: &str, replies: Vec<Reply>, width: Option<usize>) -> Done {
    run_words(arguments(line), replies, width)
}

/// As [`run_at`], for words that have spaces in them.
pub(super) fn run_as_typed(words: &[&str], replies: Vec<Reply>) -> Done {
    run_words(std::iter::once("whither").chain(words.iter().copied()).map(OsString::from).collect(), replies, None)
}

fn run_words(words: Vec<OsString>, replies: Vec<Reply>, width: Option<usize>) -> Done {
    let script = Script::new(replies);
    let (parsed, _) = cli::parse(words).unwrap();
    let (out, err) = (Buffer::default(), Buffer::default());
    let mut console = Console::to(out.clone(), err.clone());
    console.style = Style { colour: false, width };
    let api = AgentApi::new(script.api.agent().clone());
    let mut session = Session { api, console, json: parsed.global.json };
    let result = match &parsed.command {
        Command::Resolve(args) => resolve::run(args, &mut session),
        Command::Explain(args) => explain::run(args, &mut session),
        Command::Register(args) => register::run(args, &mut session),
        Command::Deregister(args) => deregister::run(args, &mut session),
        Command::Renew(args) => renew::run(args, &mut session),
        Command::Drain(args) => drain::run(args, &mut session),
        Command::Undrain(args) => undrain::run(args, &mut session),
        Command::Nodes(args) => nodes::run(args, &mut session),
        Command::Services(args) => services::run(args, &mut session),
        Command::Watch(args) => watch::run(args, &mut session),
        Command::Join(args) => join::run(args, &mut session),
        Command::Leave(args) => leave::run(args, &mut session),
        Command::Lag(args) => lag::run(args, &mut session),
        Command::Health(args) => health::run(args, &mut session),
        Command::Sql(args) => sql::run(args, &mut session),
        Command::Schema(args) => schema::run(args, &mut session),
        Command::Tables(args) => tables::run(args, &mut session),
        other => panic!("{other:?} asks no agent"),
    };
    Done { out: out.text(), err: err.text(), asked: script.requests(), error: result.err() }
}

pub(super) fn run_at(line: &str, replies: Vec<Reply>) -> Done {
    run_with(line, replies, None)
}

const WRITTEN: &str = r#"{"service":"prod/recos","id":"r-1","created":true,"version":"1.7","index":"a-1"}"#;

pub(super) fn instance(id: &str, status: &str, ports: &str, chosen: bool) -> String {
    format!(
        r#"{{"id":"{id}","address":"10.0.0.7","port":8080,"ports":{ports},"tags":["blue","canary"],"meta":{{}},
        "weight":100,"version":"1.2","zone":"eu-1a","state":"up","health":"passing","status":"{status}","ttl_ms":null,
        "owner":"00000000000000aa","node":"web-1","owner_state":"alive","changed_at":"2026-11-20T20:28:07.125Z",
        "explain":{{"age_ms":12,"set_by":"00000000000000aa.1.7","claimed_at":"2026-11-20T20:28:07.125Z",
        "witness":"lease","index":7,"chosen":{chosen},"why":"In service and well."}}}}"#
    )
}

pub(super) fn service(selection: &str, unheard: &str, instances: &[String]) -> String {
    format!(
        r#"{{"service":"prod/recos","age_ms":12,"index":"a-7","selection":"{selection}",{unheard}"instances":[{}]}}"#,
        instances.join(",")
    )
}

fn three() -> String {
    let ports = r#"{"http":8080,"metrics":9090}"#;
    let main = r#"{"main":8080}"#;
    let instances = [
        instance("recos-1", "passing", ports, true),
        instance("recos-2", "warning", main, true),
        instance("recos-3", "critical", main, false),
    ];
    service("usable", "", &instances)
}

#[test]
fn the_command_line_is_sound() {
    cli::command().debug_assert();
}

fn for_each_command(command: &clap::Command, path: &str, see: &mut impl FnMut(&str, &clap::Command)) {
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        let path = format!("{path} {}", sub.get_name());
        see(&path, sub);
        for_each_command(sub, &path, see);
    }
}

#[test]
fn every_help_text_has_examples() {
    let mut command = cli::command();
    command.build();
    assert!(command.render_long_help().to_string().contains("\nExamples:\n"));
    let mut seen = 0;
    for_each_command(&command, "whither", &mut |path, sub| {
        let help = sub.clone().render_help().to_string();
        assert!(help.contains("Examples:\n  "), "{path}:\n{help}");
        assert!(help.contains(path.rsplit(' ').next().unwrap()) && help.contains("whither "), "{path}");
        let examples = sub.get_after_help().unwrap().to_string();
        for line in examples.lines().filter(|line| line.starts_with("  ")) {
            assert!(line.chars().count() <= 100, "{path}: would be wrapped on every terminal: {line}");
        }
        seen += 1;
    });
    assert!(seen > 20, "{seen}");
}

#[test]
fn every_command_is_in_a_group_of_the_main_help_and_exit_codes_are_told() {
    let help = cli::command().render_help().to_string();
    let groups = help.split("Options:").next().unwrap();
    for sub in cli::command().get_subcommands() {
        assert!(groups.contains(&format!("\n  {:<12} ", sub.get_name())), "{} in\n{help}", sub.get_name());
    }
    for expected in ["Look:\n  resolve      Show where", "Exit codes:\n  0  done", "--agent <ADDR>", "WHITHER_AGENT"] {
        assert!(help.contains(expected), "{expected} in\n{help}");
    }
}

#[test]
fn the_agents_flags_are_those_of_the_table() {
    let mut command = cli::command();
    command.build();
    let help = command.find_subcommand("agent").unwrap().clone().render_help().to_string();
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        help.contains("--peers-bind <IP:PORT> Where it listens for other nodes, UDP [default: 0.0.0.0:7600] [env:")
    );
    assert!(help.contains("may be repeated [env: WHITHER_CLUSTER_JOIN]"), "{help}");
}

#[test]
fn a_name_alone_is_resolved() {
    for (line, agent) in [
        ("prod/recos --all --tag x", "127.0.0.1:7601"),
        ("--agent web-1 prod/recos --all --tag x", "web-1:7601"),
        ("prod/recos --agent web-1 --all --tag x", "web-1:7601"),
    ] {
        let (cli, hint) = cli::parse(arguments(line)).unwrap();
        assert_eq!(cli.global.agent.to_string(), agent);
        assert!(matches!(cli.command, Command::Resolve(_)), "{line}");
        assert_eq!(hint, None);
    }
}

#[test]
fn a_slip_in_a_command_is_noticed() {
    let (_, hint) = cli::parse(arguments("serivces")).unwrap();
    assert_eq!(hint.unwrap().command, "services");
    let Err(ParseError::Usage(error)) = cli::parse(arguments("regsiter recos --port 80")) else { panic!() };
    assert_eq!(
        error.to_string(),
        "regsiter is not a command; did you mean `whither register`? (`whither help` lists all)"
    );
    assert_eq!(failure::exit_code(&error.into()), 2);
    let Err(ParseError::Clap(error)) = cli::parse(arguments("Recos")) else { panic!() };
    assert!(error.to_string().contains("names are lower case, try \"recos\""), "{error}");
    assert_eq!(error.exit_code(), 2);
}

#[test]
fn a_service_is_shown_with_what_callers_are_given() {
    let done = run_at("prod/recos", vec![Reply::json(&three())]);
    assert_eq!(
        done.out,
        "ID       STATUS   ADDRESS        PORTS                   ZONE   NODE   AGE   TAGS\n\
         recos-1  passing  10.0.0.7:8080  http=8080,metrics=9090  eu-1a  web-1  12ms  blue,canary\n\
         recos-2  warning  10.0.0.7:8080  -                       eu-1a  web-1  12ms  blue,canary\n"
    );
    assert_eq!(
        done.err,
        "prod/recos · 2 of 3 usable · known to within 12 ms\n1 more is not given to callers; --all shows it\n"
    );
    assert_eq!(done.asked, ["GET /v1/services/prod/recos?all=true&explain=true"]);
}

#[test]
fn at_80_columns_a_service_fits_under_its_heading() {
    let done = run_with("prod/recos --all", vec![Reply::json(&three())], Some(80));
    assert_eq!(
        done.out,
        "prod/recos · 2 of 3 usable · known to within 12 ms\n\
         ID       STATUS    ADDRESS        PORTS             ZONE   NODE   AGE   TAGS\n\
         recos-1  passing   10.0.0.7:8080  http=8080,metri…  eu-1a  web-1  12ms  blue,ca…\n\
         recos-2  warning   10.0.0.7:8080  -                 eu-1a  web-1  12ms  blue,ca…\n\
         recos-3  critical  10.0.0.7:8080  -                 eu-1a  web-1  12ms  blue,ca…\n"
    );
    assert_eq!(done.err, "");
}

#[test]
fn last_known_instances_come_with_a_warning() {
    let unheard = r#""unheard":[{"node":"00000000000000bb","name":"web-3","age_ms":12000}],"#;
    let lost = instance("recos-1", "lost", "{}", true);
    let lost = lost.replace(r#""owner_state":"alive""#, r#""owner_state":"down""#);
    let done = run_at("prod/recos", vec![Reply::json(&service("last_known", unheard, &[lost]))]);
    assert_eq!(
        done.err,
        "prod/recos · 0 of 1 usable · known to within 12 ms\n\
         warning: nothing is usable; callers are given what was last known to be (1 of 1): only silence speaks against \
         it, nobody said that it is dead\n\
         warning: node web-3 is down; what is known of its instances is 12 s old\n"
    );
    assert!(done.out.contains("recos-1  lost    10.0.0.7:8080  -      eu-1a  web-1(down)"), "{}", done.out);
}

#[test]
fn why_an_instance_is_given_can_be_asked() {
    let done = run_at("prod/recos --explain", vec![Reply::json(&three())]);
    let expected = "recos-1: In service and well.\n    set by 00000000000000aa.1.7, claimed at \
                    2026-11-20T20:28:07.125Z, witness: lease\n";
    assert!(done.out.contains(expected), "{}", done.out);
}

#[test]
fn an_empty_service_is_no_error_and_an_unknown_one_is() {
    let done = run_with("prod/recos", vec![Reply::json(&service("empty", "", &[]))], Some(80));
    assert_eq!(done.out, "prod/recos · no instances · known to within 12 ms\n");
    assert!(done.error.is_none());
    let done = run_at("prod/recos", vec![Reply::problem(404, "unknown-service", "there is no service prod/recos")]);
    let error = done.error.unwrap();
    assert_eq!((failure::exit_code(&error), failure::text(&error).as_str()), (3, "there is no service prod/recos"));
}

#[test]
fn as_json_an_answer_is_passed_on_and_only_what_was_asked_for() {
    let body = service("usable", "", &[]);
    let done = run_at("prod/recos --json --zone eu-1a", vec![Reply::json(&body)]);
    assert_eq!(done.out, format!("{body}\n"));
    assert_eq!(done.asked, ["GET /v1/services/prod/recos?zone=eu-1a"]);
}

#[test]
fn a_registration_says_what_it_was_told_and_nothing_else() {
    let line = "register prod/recos --id r-1 -p http=8080 -p metrics=9090 --tag a --meta k=v --weight 5 --version 1.2 \
                --zone eu --state starting --health warning --ttl 10s --address 10.0.0.7 --durable";
    let done = run_at(line, vec![Reply::Whole(201, "application/json", WRITTEN.into())]);
    assert_eq!(done.out, "registered r-1 of prod/recos (change 1.7)\n");
    assert_eq!(
        done.asked,
        ["PUT /v1/services/prod/recos/instances/r-1?ack=durable\ncontent-type: application/json\n\
          {\"address\":\"10.0.0.7\",\"ports\":{\"http\":8080,\"metrics\":9090},\"tags\":[\"a\"],\"meta\":{\"k\":\"v\"},\
          \"weight\":5,\"version\":\"1.2\",\"zone\":\"eu\",\"state\":\"starting\",\"health\":\"warning\",\"ttl\":\"10s\"}"]
    );
    let done = run_at("register recos --id r-1", vec![Reply::json(&WRITTEN.replace("true", "false"))]);
    assert_eq!(done.out, "set anew r-1 of default/recos (change 1.7)\n");
    assert_eq!(done.asked, ["PUT /v1/services/default/recos/instances/r-1\ncontent-type: application/json\n{}"]);
}

#[test]
fn a_registration_that_cannot_be_is_refused_before_anybody_is_asked() {
    let done = run_at("register recos --id r-1 -p 80 -p 81", vec![]);
    let error = done.error.unwrap();
    assert_eq!(failure::text(&error), "--port 81: there is another port called main; name it, for example metrics=81");
    assert_eq!(failure::exit_code(&error), 2);
    for line in
        ["register", "register recos --port 0", "register recos --keep", "register recos -f x", "register r --ttl 1"]
    {
        let Err(ParseError::Clap(error)) = cli::parse(arguments(line)) else { panic!("{line}") };
        assert_eq!(error.exit_code(), 2, "{line}");
    }
}

#[test]
fn a_file_registers_many() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("instances.json");
    let line = format!("register -f {}", file.display());
    let many = r#"[{"service":"prod/recos","id":"r-1","port":8080}]"#;
    std::fs::write(&file, many).unwrap();
    let done = run_at(&line, vec![Reply::json(r#"{"written":1,"created":1,"version":"1.7","index":"a-1"}"#)]);
    assert_eq!(done.out, "registered 1 instance, 1 new\n");
    assert_eq!(done.asked, [format!("POST /v1/instances\ncontent-type: application/json\n{many}")]);
    std::fs::write(&file, "{}").unwrap();
    let error = run_at(&line, vec![]).error.unwrap();
    assert!(failure::text(&error).contains("line 1 column 0; expected a JSON array"), "{error}");
    std::fs::write(&file, "[]").unwrap();
    assert_eq!(failure::exit_code(&run_at(&line, vec![]).error.unwrap()), 2);
}

#[test]
fn an_instance_is_renewed_drained_and_removed() {
    let renewed = || Reply::json(r#"{"ttl_ms":10000}"#);
    let written = || Reply::json(WRITTEN);
    let done = run_at("renew prod/recos r-1 --health warning", vec![renewed()]);
    assert_eq!(done.out, "renewed r-1; its lease runs out in 10 s unless renewed\n");
    assert_eq!(done.asked, ["PUT /v1/services/prod/recos/instances/r-1/renew?health=warning"]);
    let done = run_at("drain prod/recos r-1", vec![written()]);
    assert_eq!(done.out, "r-1 of prod/recos is draining (change 1.7)\n");
    assert_eq!(done.asked, ["PUT /v1/services/prod/recos/instances/r-1/state?state=draining"]);
    let done = run_at("undrain prod/recos r-1 --durable", vec![written()]);
    assert_eq!(done.asked, ["PUT /v1/services/prod/recos/instances/r-1/state?state=up&ack=durable"]);
    let done = run_at("deregister prod/recos r-1", vec![written()]);
    assert_eq!(done.out, "deregistered r-1 of prod/recos (change 1.7)\n");
    assert_eq!(done.asked, ["DELETE /v1/services/prod/recos/instances/r-1"]);
}

#[test]
fn services_and_nodes_are_tables() {
    let services = r#"{"age_ms":2,"index":"a-1","services":[
        {"service":"prod/db","instances":2,"usable":0,"selection":"last_known"},
        {"service":"prod/recos","instances":14,"usable":12,"selection":"usable"}]}"#;
    let done = run_at("services -n prod", vec![Reply::json(services)]);
    assert_eq!(
        done.out,
        "SERVICE     INSTANCES  USABLE  CALLERS-GET\n\
         prod/db     2          0       last-known\n\
         prod/recos  14         12      usable\n"
    );
    assert_eq!(done.asked, ["GET /v1/services?namespace=prod"]);
    let nodes = r#"{"age_ms":2,"index":"a-1","nodes":[
        {"id":"00000000000000aa","name":"web-1","address":"10.0.0.1:7600","state":"alive","zone":"eu-1a","region":"eu",
         "epoch":3,"software":"0.1.0","instances":7,"age_ms":0,"self":true},
        {"id":"00000000000000bb","name":"","address":"10.0.0.2:7600","state":"down","zone":"","region":"","epoch":1,
         "software":"","instances":0,"age_ms":90000,"self":false}]}"#;
    let done = run_with("nodes", vec![Reply::json(nodes)], Some(80));
    assert_eq!(
        done.out,
        "2 nodes · 1 alive · 1 down\n\
         NAME    ID                STATE  ADDRESS        INSTANCES  AGE  ZONE   REGION\n\
         web-1*  00000000000000aa  alive  10.0.0.1:7600  7          0ms  eu-1a  eu\n\
         ?       00000000000000bb  down   10.0.0.2:7600  0          90s  -      -\n\
         (too narrow to show SOFTWARE; --json has everything)\n"
    );
}

#[test]
fn an_agent_that_is_not_well_says_so() {
    let health = r#"{"status":"degraded","node":"00000000000000aa","name":"web-1","epoch":3,"software":"0.1.0","age_ms":2,
        "index":"a-1","services":1,"instances":2,"nodes":{"alive":1,"suspect":0,"down":1,"left":0},"disk":"no space"}"#;
    let done = run_at("health", vec![Reply::json(health)]);
    assert_eq!(
        done.out,
        "status     degraded\nnode       web-1 (00000000000000aa)\nboot       3\nsoftware   0.1.0\nservices   1\n\
         instances  2\nnodes      1 alive, 0 suspect, 1 down, 0 left\nage        what the nodes \
         present and all owners said is known to within 2 ms\ncluster    ok\ndisk       no space\ntables     ok\n"
    );
}

#[test]
fn joining_names_addresses_and_leaving_wants_a_yes() {
    let done = run_at("join 10.0.0.1 seed.example:7700", vec![Reply::Whole(202, "application/json", "{}".into())]);
    assert_eq!(
        done.asked,
        ["POST /v1/join\ncontent-type: application/json\n{\"addresses\":[\"10.0.0.1:7600\",\"seed.example:7700\"]}"]
    );
    let error = run_at("leave", vec![]).error.unwrap();
    assert_eq!(failure::exit_code(&error), 2);
    let done = run_at("leave --yes", vec![Reply::Whole(202, "application/json", String::new())]);
    assert_eq!(done.asked, ["POST /v1/leave"]);
    assert!(done.out.starts_with("the agent is saying goodbye"), "{}", done.out);
}

const NO_PAUSE: Backoff = Backoff { first: Duration::ZERO, longest: Duration::ZERO };

fn event(event: &str, index: &str) -> String {
    format!(r#"{{"event":"{event}","index":"{index}","service":"prod/recos","changed":[],"removed":[]}}"#)
}

#[test]
fn a_watch_comes_back_where_it_was() {
    let script = Script::new(vec![
        Reply::Cut(vec![event("reset", "a-1"), event("change", "a-2")]),
        Reply::Nothing,
        Reply::Cut(vec![event("change", "a-3")]),
        Reply::problem(400, "malformed-request", "from: is of another node"),
        Reply::Cut(vec![event("reset", "b-1")]),
        Reply::problem(404, "not-found", "gone"),
    ]);
    let service = "prod/recos".parse().unwrap();
    let mut feed = Feed::open(&script.api, Some(&service), None, NO_PAUSE).unwrap();
    let mut steps = Vec::new();
    let error = loop {
        steps.push(match feed.next() {
            Ok(Step::Event(event, _)) => event.index.unwrap(),
            Ok(Step::Lost { .. }) => "lost".into(),
            Ok(Step::Back) => "back".into(),
            Ok(Step::Anew) => "anew".into(),
            Err(error) => break error,
        });
    };
    assert_eq!(steps, ["a-1", "a-2", "lost", "lost", "back", "a-3", "lost", "anew", "b-1", "lost"]);
    assert!(error.is_not_found());
    let asked: Vec<String> =
        script.requests().into_iter().map(|request| request.lines().next().unwrap().to_owned()).collect();
    let (start, path) = ("GET /v1/watch/prod/recos", "GET /v1/watch/prod/recos?from=");
    let expected = [start.into(), format!("{path}a-2"), format!("{path}a-2"), format!("{path}a-3"), start.into()];
    assert_eq!(asked[..5], expected);
    assert_eq!(asked[5], format!("{path}b-1"));
}

#[test]
fn of_everything_only_a_current_position_is_taken_up_again() {
    let current = r#"{"event":"current","index":"a-2","age_ms":0}"#.to_owned();
    let script = Script::new(vec![
        Reply::Cut(vec![event("service", "a-1"), current, event("service", "a-3")]),
        Reply::problem(404, "not-found", "gone"),
    ]);
    let mut feed = Feed::open(&script.api, None, None, NO_PAUSE).unwrap();
    while feed.next().is_ok() {}
    assert!(script.requests()[1].starts_with("GET /v1/watch?from=a-2\n"));
}

#[test]
fn pauses_between_attempts_grow_to_a_limit() {
    let script = Script::new((0..5).map(|_| Reply::Cut(vec![])).collect());
    let backoff = Backoff { first: Duration::from_millis(1), longest: Duration::from_millis(3) };
    let mut feed = Feed::open(&script.api, None, None, backoff).unwrap();
    let mut pauses = Vec::new();
    while pauses.len() < 4 {
        if let Step::Lost { pause, .. } = feed.next().unwrap() {
            pauses.push(pause.as_millis());
        }
    }
    assert_eq!(pauses, [1, 2, 3, 3]);
    drop(feed.next());
    assert_eq!(script.requests().len(), 5);
}

#[test]
fn a_watch_prints_a_line_per_change() {
    let changed = instance("recos-1", "passing", "{}", true);
    let line = format!(
        r#"{{"event":"reset","index":"a-1","service":"prod/recos","known":true,"selection":"usable","age_ms":0,
        "changed":[{changed}],"removed":[]}}"#
    );
    let line = line.replace('\n', "");
    let script = || vec![Reply::Cut(vec![line.clone(), "{".into()])];
    let done = run_at("watch prod/recos", script());
    let (time, rest) = done.out.split_once(' ').unwrap();
    assert_eq!((time.len(), rest), (13, "+ recos-1 10.0.0.7:8080 passing\n"));
    assert_eq!(run_at("watch prod/recos --json", script()).out, format!("{line}\n"));
    assert!(failure::text(&done.error.unwrap()).contains("does not speak as an agent does"));
}

#[test]
fn a_kept_instance_is_renewed_and_registered_again_if_forgotten() {
    let script = Script::new(vec![
        Reply::json(r#"{"ttl_ms":1000}"#),
        Reply::problem(404, "unknown-instance", "no such instance"),
        Reply::json(WRITTEN),
        Reply::Nothing,
        Reply::problem(404, "unknown-instance", "no such instance"),
    ]);
    let keeper = Keeper {
        instance: crate::agent_api::Target::new("/i"),
        durable: true,
        body: b"{}".to_vec(),
        ttl: Duration::from_secs(1),
    };
    assert_eq!(keeper.beat(&script.api).unwrap(), Beat::Renewed);
    assert_eq!(keeper.beat(&script.api).unwrap(), Beat::RegisteredAgain);
    assert!(keeper.beat(&script.api).unwrap_err().may_pass());
    keeper.deregister(&script.api).unwrap();
    let asked = script.requests();
    assert_eq!(asked[2], "PUT /i?ack=durable\ncontent-type: application/json\n{}");
    assert_eq!(asked[4], "DELETE /i");
}

#[test]
fn exit_codes_are_as_documented() {
    let config = crate::config::load(&crate::config::Overrides::file("/nonexistent".into())).unwrap_err();
    assert_eq!(failure::exit_code(&config.into()), 2);
    assert_eq!(failure::exit_code(&anyhow::anyhow!("else")), 1);
    let closed = anyhow::Error::from(io::Error::from(io::ErrorKind::BrokenPipe)).context("writing");
    assert!(failure::is_closed_pipe(&closed));
}
