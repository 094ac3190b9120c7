use crate::agent_api::tests::Reply;
use crate::cmd::tests::{run_as_typed, run_at};
use crate::failure;

fn lines(lines: &[&str]) -> Reply {
    Reply::Cut(lines.iter().map(|line| (*line).to_owned()).collect())
}

const COLUMNS: &str = r#"{"columns":["name","port"]}"#;
const END: &str = r#"{"eoq":{"time":0.0021,"rows":2,"age_ms":12}}"#;
const DONE: &str = r#"{"results":[{"rows_affected":3}],"time":0.001,"version":7,"place":"00c0ffee00c0ffee-3-7"}"#;

#[test]
fn rows_are_a_table_and_parameters_are_sent_as_what_they_read_as() {
    let replies = vec![lines(&[COLUMNS, r#"{"row":[1,["web 1",8080]]}"#, r#"{"row":[2,["",null]]}"#, END])];
    let done = run_as_typed(&["sql", "SELECT * FROM b WHERE p = ?", "8080", "--timeout", "5"], replies);
    assert!(done.error.is_none(), "{:?}", done.error);
    assert_eq!(done.out, "name   port\nweb_1  8080\n-      NULL\n");
    assert_eq!(done.err, "2 rows in 2.1 ms · known to within 12 ms\n");
    let expected = "POST /v1/queries?timeout=5\ncontent-type: application/json\naccept: application/x-ndjson\n\
                    {\"sql\":\"SELECT * FROM b WHERE p = ?\",\"params\":[8080]}";
    assert_eq!(
        done.asked[0].replace(
            "accept: application/x-ndjson\ncontent-type: application/json",
            "content-type: application/json\naccept: application/x-ndjson"
        ),
        expected
    );
}

#[test]
fn what_writes_is_a_transaction_whoever_finds_out() {
    let done = run_as_typed(
        &["sql", "insert INTO b VALUES (:n)", "--param", "n=x", "--ack", "memory"],
        vec![Reply::json(DONE)],
    );
    assert_eq!(done.out, "3 rows changed · 00c0ffee00c0ffee-3-7\n");
    let expected = "POST /v1/transactions?ack=memory\ncontent-type: application/json\n\
                    [{\"sql\":\"insert INTO b VALUES (:n)\",\"params\":{\"n\":\"x\"}}]";
    assert_eq!(done.asked, [expected]);
    let refusal = Reply::problem(422, "bad-statement", "statement 1: writes; send it as a transaction");
    let done = run_as_typed(&["sql", "WITH a AS (SELECT 1) DELETE FROM b"], vec![refusal, Reply::json(DONE)]);
    assert_eq!(done.out, "3 rows changed · 00c0ffee00c0ffee-3-7\n");
    assert!(done.asked[1].starts_with("POST /v1/transactions\n"), "{:?}", done.asked);
}

#[test]
fn what_is_refused_is_told_without_the_number_of_the_only_statement() {
    let refusal = || Reply::problem(422, "bad-statement", "statement 1: no such table: b");
    let error = run_as_typed(&["sql", "SELECT * FROM b"], vec![refusal()]).error.unwrap();
    assert_eq!((error.to_string().as_str(), failure::exit_code(&error)), ("no such table: b", 1));
    let error = run_as_typed(&["sql", "create TABLE b (a)"], vec![refusal()]).error.unwrap();
    assert!(error.to_string().ends_with("`whither schema apply`"), "{error}");
    let replies = vec![lines(&[COLUMNS, r#"{"row":[1,["a",1]]}"#, r#"{"error":"it took too long"}"#])];
    let done = run_as_typed(&["sql", "SELECT * FROM b", "--json"], replies);
    assert_eq!(done.error.unwrap().to_string(), "it took too long");
    assert!(done.out.starts_with(COLUMNS) && done.out.lines().count() == 3, "{}", done.out);
}

#[test]
fn tables_are_listed_under_both_names() {
    let answer = r#"{"tables":[{"name":"b","rows":2,"dead":1,"bytes":8192}],"file_bytes":8192,"log_bytes":0,"held":0,
        "writers":[{"node":"00c0ffee00c0ffee","name":"a","transactions":3,"cells":4}]}"#;
    let outs = ["tables", "sql stats"].map(|line| run_at(line, vec![Reply::json(answer)]).out);
    assert_eq!(
        outs[0],
        "TABLE  ROWS  DEAD  BYTES\nb      2     1     8192\n\nWRITER            NAME  TRANSACTIONS  CELLS\n\
         00c0ffee00c0ffee  a     3             4\n"
    );
    assert_eq!(outs[0], outs[1]);
}

#[test]
fn a_schema_is_applied_and_its_errors_are_at_a_line_of_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        std::fs::write(dir.path().join(name), text).unwrap();
        dir.path().join(name).display().to_string()
    };
    let (one, two) = (file("1.sql", "CREATE TABLE a (b);\n"), file("2.sql", "\nCREATE x;\n"));
    let done = run_as_typed(
        &["schema", "apply", &one, "--plan"],
        vec![Reply::json(r#"{"steps":["create table a"],"only_plan":true}"#)],
    );
    assert_eq!((done.out.as_str(), done.err.as_str()), ("create table a\n", "nothing was changed: this is the plan\n"));
    assert!(done.asked[0].starts_with("POST /v1/schema?plan=true\n"), "{:?}", done.asked);
    let done = run_as_typed(&["schema", "apply", &one], vec![Reply::json(r#"{"steps":[],"only_plan":false}"#)]);
    assert_eq!(done.out, "nothing to change\n");
    let problem = r#"{"type":"urn:whither:problem:bad-schema","title":"No","status":422,"field":"line 5",
        "detail":"line 5: near \"x\": syntax error"}"#;
    let refusal = Reply::Whole(422, "application/problem+json", problem.into());
    let error = run_as_typed(&["schema", "apply", &one, &two], vec![refusal]).error.unwrap();
    assert_eq!(error.to_string(), format!("{two}:2: near \"x\": syntax error"));
}
