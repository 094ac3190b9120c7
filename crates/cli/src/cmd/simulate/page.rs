//! The report: one HTML file that needs nothing else, to be read on a screen, a phone, or paper.

use super::charts::{self, Chart};
use super::facts::{self, Section, Value};
use super::figures::{NARROW, bytes, counted, grouped, percent, short, time};
use super::markup::escaped;
use super::{Findings, advice};
use std::fmt::Write;

const STYLE: &str = include_str!("page/style.css");

/// The whole page.
pub(super) fn render(findings: &Findings) -> String {
    let title = escaped(&facts::title(&findings.settings));
    let mut html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <meta name=\"color-scheme\" content=\"light dark\"/>\n<title>{title} – whither simulate</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<header>\n<p class=\"over\">whither simulate</p>\n<h1>{title}</h1>\n\
         <p class=\"sub\">{}</p>\n</header>\n<main>\n",
        escaped(&facts::subtitle(findings))
    );
    figures(&mut html, findings);
    html.push_str("<section class=\"prose\">\n<h2>What that means</h2>\n<ul>\n");
    for sentence in advice::sentences(findings) {
        let _ = writeln!(html, "<li>{}</li>", escaped(&sentence));
    }
    html.push_str("</ul>\n</section>\n<section class=\"charts\">\n");
    charts::all(findings).iter().for_each(|chart| figure(&mut html, chart));
    html.push_str("</section>\n<section>\n<h2>In numbers</h2>\n<div class=\"facts\">\n");
    facts::sections(findings).iter().for_each(|section| describe(&mut html, section));
    let _ = write!(
        html,
        "</div>\n</section>\n</main>\n<footer>\n<h2>The same again</h2>\n<pre><code>{}</code></pre>\n<p>whither {}. Our \
         own protocol code on simulated links, clocks and processors: latencies of a map with up to 15{NARROW}% of jitter, \
         losses as asked for. Not simulated are catalogs, disks, clients, and repair by anti-entropy, of which only the \
         traffic is counted. The same command gives the same numbers.</p>\n</footer>\n</body>\n</html>\n",
        escaped(&findings.command),
        env!("CARGO_PKG_VERSION")
    );
    html
}

/// The few numbers that answer most questions.
fn figures(html: &mut String, findings: &Findings) {
    let summary = &findings.summary;
    html.push_str("<section class=\"figures\" aria-label=\"Summary\">\n");
    if let Some(everywhere) = summary.detection.everywhere {
        let (detection, most) = (&summary.detection, time(everywhere.max));
        let note = match detection.unknown {
            0 => format!("median of {}; slowest {most}", counted(detection.deaths, "death", "deaths")),
            unknown => format!("median; {} of {} not by the end", grouped(unknown), grouped(detection.deaths)),
        };
        number(html, "A death is known everywhere in", &time(everywhere.p50), &note, detection.unknown > 0);
    }
    if let (Some(last), Some(over)) = (summary.broadcast.last, summary.broadcast.over_limit) {
        let share = percent(summary.broadcast.share());
        let note = if advice::is_far(findings) {
            format!("{}× what distance allows; {share} delivered without repair", short(over[0]))
        } else {
            format!("median; slowest {}; {share} delivered without repair", time(last.max))
        };
        number(html, "News reaches everybody in", &time(last.p50), &note, false);
    }
    let traffic = &summary.traffic;
    let note = format!("{} messages/s; {}/s through all troubles", short(traffic.idle_messages), bytes(traffic.bytes));
    number(html, "An idle node sends", &format!("{}/s", bytes(traffic.idle_bytes)), &note, false);
    let errors = &summary.errors;
    let accused = counted(errors.accusations, "false accusation", "false accusations");
    let note = format!("{accused} in {} node-hours", short(errors.node_hours));
    number(html, "Wrongly declared down", &errors.wrongly_down.to_string(), &note, errors.wrongly_down > 0);
    html.push_str("</section>\n");
}

fn number(html: &mut String, label: &str, value: &str, note: &str, is_bad: bool) {
    let class = if is_bad { "value bad" } else { "value" };
    let _ = writeln!(
        html,
        "<div class=\"number\"><p class=\"label\">{}</p><p class=\"{class}\">{}</p><p class=\"note\">{}</p></div>",
        escaped(label),
        escaped(value),
        escaped(note)
    );
}

fn figure(html: &mut String, chart: &Chart) {
    let Chart { title, about, svg, table } = chart;
    let _ = writeln!(
        html,
        "<figure>\n<h2>{}</h2>\n{svg}<figcaption>{}</figcaption>\n<details><summary>Numbers</summary>\n{table}</details>\n</figure>",
        escaped(title),
        escaped(about)
    );
}

fn describe(html: &mut String, section: &Section) {
    let class = if section.is_bad { " class=\"bad\"" } else { "" };
    let _ = writeln!(html, "<div>\n<h3>{}</h3>\n<p{class}>{}</p>", section.title, escaped(&section.about));
    if section.rows.is_empty() {
        return html.push_str("</div>\n");
    }
    if section.rows.iter().any(|fact| matches!(fact.value, Value::Spread(_))) {
        html.push_str("<table><thead><tr><td></td><th scope=\"col\">p50</th><th scope=\"col\">p99</th><th scope=\"col\">max</th></tr></thead><tbody>\n");
    } else {
        html.push_str("<table><tbody>\n");
    }
    for fact in &section.rows {
        let _ = write!(html, "<tr><th scope=\"row\">{}</th>", escaped(fact.label));
        match &fact.value {
            Value::Text(text) => html.push_str(&format!("<td colspan=\"3\">{}</td>", escaped(text))),
            Value::Spread(cells) => {
                cells.iter().for_each(|cell| html.push_str(&format!("<td>{}</td>", escaped(cell))));
            }
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</tbody></table>\n</div>\n");
}
