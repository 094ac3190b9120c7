use super::*;
use crate::agent_api::tests::{Reply, Script};
use crate::template::guard;
use crate::template::library::Given;
use crate::template::memory::Memory;

/// What a template is rendered to by an agent that answers so, and what that agent was asked.
fn render(template: &str, replies: Vec<Reply>) -> (Rendered, Vec<String>) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.tmpl");
    std::fs::write(&path, template).unwrap();
    std::fs::write(dir.path().join("part"), "part {{ x }}\n").unwrap();
    let script = Script::new(replies);
    let library = Arc::new(Library::new(script.api.clone()));
    let rendered = Template::load(&path, &library).unwrap().render();
    (rendered, script.requests())
}

fn text(template: &str, replies: Vec<Reply>) -> String {
    render(template, replies).0.text.unwrap_or_else(|trouble| panic!("{template}: {trouble}"))
}

fn trouble(template: &str, replies: Vec<Reply>) -> String {
    render(template, replies).0.text.unwrap_err().text
}

fn recos(selection: &str, instances: &str) -> Reply {
    Reply::json(&format!(
        r#"{{"service":"prod/recos","age_ms":1,"index":"a-1","selection":"{selection}","protected":false,"instances":[{instances}]}}"#
    ))
}

const ONE: &str = r#"{"id":"r-1","address":"::1","port":8080,"ports":{"z":8080,"a":1},"tags":[],"weight":100}"#;

#[test]
fn a_service_is_asked_for_once_with_what_is_wanted_of_it() {
    let template = r#"{% set s = service("prod/recos", all=true, tag=["x", "y"], zone="eu") %}
{% for one in s.instances %}
{{ one | socket }} {{ one | socket("a") }} {{ one.ports | list | join(",") }} {{ s.known | tojson }}
{% endfor %}
{{ service("prod/recos", all=true, tag=["x", "y"], zone="eu").selection }}
"#;
    let (rendered, asked) = render(template, vec![recos("usable", ONE)]);
    assert_eq!(rendered.text.unwrap(), "[::1]:8080 [::1]:1 z,a true\nusable\n");
    assert_eq!(asked, ["GET /v1/services/prod/recos?all=true&tag=x&tag=y&zone=eu"]);
    let read: Vec<String> = rendered.read.keys().map(ToString::to_string).collect();
    assert_eq!(read, [r#"service("prod/recos", all=true, tag="x", tag="y", zone="eu")"#]);
}

#[test]
fn rows_are_objects_and_parameters_are_sent() {
    let rows = [r#"{"columns":["b","a"]}"#, r#"{"row":[1,["x,y",null]]}"#, r#"{"row":[2,["",{"$hex":"00ff"}]]}"#];
    let lines = |rows: &[&str]| {
        let end = [r#"{"eoq":{"time":0.1}}"#];
        Reply::Cut(rows.iter().chain(&end).map(|line| (*line).to_owned()).collect())
    };
    let (rendered, asked) = render(r#"{{ sql("SELECT ?, ?", 1, "x") | csv }}"#, vec![lines(&rows)]);
    assert_eq!(rendered.text.unwrap(), "b,a\n\"x,y\",\n\"\",00ff\n");
    assert!(asked[0].ends_with(r#"{"sql":"SELECT ?, ?","params":[1,"x"]}"#), "{asked:?}");
    let (rendered, asked) = render(r#"{{ sql("SELECT :a", a=none) | tojson }}"#, vec![lines(&rows[..2])]);
    assert_eq!(rendered.text.unwrap(), r#"[{"b": "x,y", "a": null}]"#);
    assert!(asked[0].ends_with(r#""params":{"a":null}}"#), "{asked:?}");
}

#[test]
fn errors_name_the_file_the_line_and_what_is_wrong() {
    let undefined = trouble("one\n{{ service(\"prod/recos\").instancez }}\n", vec![recos("usable", ONE)]);
    assert!(undefined.starts_with("a.tmpl:2: undefined value"), "{undefined}");
    assert!(undefined.ends_with("\n  2 | {{ service(\"prod/recos\").instancez }}"), "{undefined}");
    let refused = Reply::problem(422, "bad-statement", "statement 1: no such table: b");
    let (rendered, _) = render("\n{{ sql(\"SELECT  * FROM b\") }}", vec![refused]);
    let refused = rendered.text.unwrap_err();
    assert!(refused.text.starts_with("a.tmpl:2: sql(\"SELECT * FROM b\"): no such table: b\n"), "{refused}");
    assert_eq!(refused.kind, Kind::Agent, "which is tried again: somebody may be about to create it");
    for (template, expected) in [
        ("{{ service(\"Prod\") }}", "names are lower case"),
        ("{{ service(\"a\", tga=\"x\") }}", "tga"),
        ("{{ token(\"a\", \"b\") }}", "they come with a later one"),
        ("{{ env(\"SURELY_NOT_SET\") }}", "it is not set"),
        ("{% include \"part\" %}", "part:1: undefined value"),
        ("{{ {\"id\": \"x\", \"address\": \"::1\"} | socket }}", "instance x has no port"),
        (
            "{% for a in range(9000) %}{% for b in range(9000) %}{% for c in range(9000) %}{{ c }}{% endfor %}{% endfor %}{% endfor %}",
            "does not come to an end",
        ),
    ] {
        let said = trouble(template, Vec::new());
        assert!(said.contains(expected), "{template}: {said}");
    }
    let library = Arc::new(Library::new(Script::new(Vec::new()).api));
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("b.tmpl"), "x\n{% if %}\n").unwrap();
    let wrong = Template::load(&dir.path().join("b.tmpl"), &library).unwrap_err();
    assert!(wrong.text.starts_with("b.tmpl:2: syntax error") && wrong.text.ends_with("2 | {% if %}"), "{wrong}");
}

#[test]
fn an_agent_that_does_not_answer_is_not_the_templates_fault() {
    let (rendered, _) = render("{{ service(\"prod/recos\").instances }}", vec![Reply::Nothing]);
    let trouble = rendered.text.unwrap_err();
    assert_eq!(trouble.kind, Kind::Agent);
    assert!(trouble.text.starts_with("the agent at 127.0.0.1:") && !trouble.text.contains("a.tmpl"), "{trouble}");
}

#[test]
fn words_and_fields_are_safe_to_write_into_files() {
    assert_eq!(
        text("{{ \"recos-1\" | word }} {{ \"a b\" | word }} {{ \"a_b\" | word }}", Vec::new()),
        "recos-1 a_b-10a3f9f2 a_b"
    );
    assert_eq!(text("{{ 'a\"b' | csv }},{{ none | csv }},{{ [1, 'x'] | csv }}", Vec::new()), "\"a\"\"b\",,1,x");
    assert_eq!(text("{% set x = 1 %}\n{% include \"part\" %}\n", Vec::new()), "part 1\n");
}

#[test]
fn a_service_that_was_in_the_file_is_not_taken_out_by_losing_all() {
    let template = "{{ service(\"prod/recos\").instances | length }}";
    let unknown = || Reply::problem(404, "unknown-service", "no service prod/recos is known here");
    let mut memory = Memory::default();
    let mut see = |reply: Reply| {
        let (rendered, _) = render(template, vec![reply]);
        let verdict = guard::look(&rendered.read, &memory);
        if verdict.lost.is_empty() {
            memory.had = guard::having(&rendered.read);
        }
        let given = rendered.read.values().next().and_then(|answer| answer.given);
        (given, verdict.lost.len(), verdict.unknown.len())
    };
    assert_eq!(see(unknown()), (Some(Given::Unknown), 0, 1), "at first it may be unknown");
    assert_eq!(see(recos("empty", "")), (Some(Given::Nothing), 0, 0), "or empty");
    assert_eq!(see(recos("usable", ONE)), (Some(Given::Something), 0, 0));
    assert_eq!(see(recos("last_known", ONE)), (Some(Given::Something), 0, 0));
    assert_eq!(see(recos("empty", "")), (Some(Given::Nothing), 1, 0), "then it stays");
    assert_eq!(see(unknown()), (Some(Given::Unknown), 1, 0));
    assert_eq!(see(recos("usable", ONE)), (Some(Given::Something), 0, 0));
}
