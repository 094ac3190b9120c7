//! Questions between nodes of one cluster: answered, refused, given up, and bounded on both sides.

mod node;

use std::net::UdpSocket;
use std::time::Duration;

use bytes::Bytes;
use node::{Node, loopback};
use tokio::runtime::Builder;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use whither_transport::{AskError, ClusterSecret, Config, QUESTION_BYTES_MAX, Question};

/// For questions that shall not be answered.
const MOMENT: Duration = Duration::from_millis(200);
/// Questions that are answered at once, of all peers: `limits::ANSWERING_MAX`.
const ANSWERING_MAX: usize = 64;

fn config(secret: &ClusterSecret, node: u64) -> Config {
    Config::new(loopback(0), secret.clone(), node, 1)
}

async fn pair() -> (Node, Node, mpsc::Receiver<Question>) {
    let secret = ClusterSecret::generate();
    let (b, questions) = Node::answering(config(&secret, 2), 256).await;
    (Node::start(&secret, 1).await, b, questions)
}

/// Answers every question with itself, twice over.
fn echo(mut questions: mpsc::Receiver<Question>) {
    tokio::spawn(async move {
        while let Some(Question { bytes, reply, .. }) = questions.recv().await {
            reply.send([&bytes[..], &bytes[..]].concat().into());
        }
    });
}

#[tokio::test]
async fn a_question_is_answered_whole_whatever_its_size_over_one_connection() {
    let (a, b, questions) = pair().await;
    echo(questions);
    for size in [0, 1, 1000, QUESTION_BYTES_MAX] {
        let question = vec![size as u8; size];
        let answer = a.ask(b.address(), question.clone()).await.expect("an answer");
        assert!(answer == [&question[..], &question[..]].concat(), "{} bytes for {size}", answer.len());
    }
    b.until("all acknowledged", |counters| counters.answers_sent == 4).await;
    let (a, b) = (a.counters(), b.counters());
    assert_eq!((a.questions_asked, a.answers_received, a.connections_dialled), (4, 4, 1));
    assert_eq!((b.questions_received, b.answer_bytes_sent), (4, a.answer_bytes_received));
}

#[tokio::test]
async fn a_question_says_who_asks_and_both_ends_of_a_connection_may_ask() {
    let secret = ClusterSecret::generate();
    let (a, mut of_b) = Node::answering(config(&secret, 1), 4).await;
    let (b, mut of_a) = Node::answering(config(&secret, 2), 4).await;
    for _ in 0..2 {
        for (asking, answering, questions) in [(&a, &b, &mut of_a), (&b, &a, &mut of_b)] {
            let answer = async {
                let question = questions.recv().await.expect("a question");
                assert_eq!((question.from, &question.bytes[..]), (asking.address(), &b"who am I?"[..]));
                question.reply.send(Bytes::from_static(b"my peer"));
            };
            let (answered, ()) = tokio::join!(asking.ask(answering.address(), &b"who am I?"[..]), answer);
            assert_eq!(answered, Ok(Bytes::from_static(b"my peer")));
        }
    }
    assert_eq!(a.counters().connections_dialled + b.counters().connections_dialled, 1);
}

#[tokio::test]
async fn questions_that_come_together_share_one_dial_and_are_all_answered() {
    let (a, b, questions) = pair().await;
    echo(questions);
    let mut asked = JoinSet::new();
    for number in 0..100_u8 {
        let (transport, to) = (a.transport.clone(), b.address());
        asked.spawn(async move {
            let answer = transport.ask(to, vec![number].into(), Duration::from_secs(20)).await;
            assert_eq!(answer, Ok(Bytes::from(vec![number, number])));
        });
    }
    asked.join_all().await;
    assert_eq!((a.counters().connections_dialled, a.counters().answers_received), (1, 100));
}

#[tokio::test]
async fn a_node_where_nobody_answers_refuses_at_once() {
    let secret = ClusterSecret::generate();
    let (a, b) = (Node::start(&secret, 1).await, Node::start(&secret, 2).await);
    assert_eq!(a.ask(b.address(), &b"?"[..]).await, Err(AskError::Refused));
    assert_eq!(b.counters().questions_refused_nobody, 1);
    let (b, questions) = Node::answering(config(&secret, 3), 4).await;
    drop(questions);
    assert_eq!(a.ask(b.address(), &b"?"[..]).await, Err(AskError::Refused));
    assert_eq!((b.counters().questions_refused_nobody, a.counters().questions_failed), (1, 2));
}

#[tokio::test]
async fn whoever_answers_may_refuse_and_the_asker_knows_that_nothing_was_done() {
    let (a, b, mut questions) = pair().await;
    let refuse = async {
        questions.recv().await.expect("the first").reply.busy();
        questions.recv().await.expect("the second").reply.refuse();
    };
    let ask = async {
        assert_eq!(a.ask(b.address(), &b"1"[..]).await, Err(AskError::Busy));
        assert_eq!(a.ask(b.address(), &b"2"[..]).await, Err(AskError::Refused));
    };
    tokio::join!(refuse, ask);
    let counters = b.counters();
    let refused = (counters.questions_refused_overload, counters.questions_refused_nobody);
    assert_eq!((refused, counters.answers_missing), ((1, 1), 0));
}

#[tokio::test]
async fn a_node_that_grants_no_streams_is_called_an_older_one() {
    let secret = ClusterSecret::generate();
    let older = Config { questions_per_connection_max: 0, ..config(&secret, 2) };
    let (a, mut b) = (Node::start(&secret, 1).await, Node::with(older).await);
    let answered = a.ask(b.address(), &b"?"[..]).await;
    assert_eq!(answered, Err(AskError::NotAnswering));
    assert_eq!(answered.unwrap_err().to_string(), "it does not answer questions (an older version?)");
    a.send_message(&b, &b"messages go on"[..]);
    b.expect_message(&a, b"messages go on").await;
}

#[tokio::test]
async fn what_is_too_large_is_refused_by_whoever_finds_it_so() {
    let secret = ClusterSecret::generate();
    let small = |node| Config { message_bytes_max: 1000, ..config(&secret, node) };
    let a = Node::start(&secret, 1).await;
    let (b, questions) = Node::answering(small(2), 4).await;
    echo(questions);
    let bytes = QUESTION_BYTES_MAX + 1;
    assert_eq!(a.ask(b.address(), vec![0; bytes]).await, Err(AskError::TooLarge { bytes }));
    assert_eq!(a.counters().questions_dropped_oversized, 1);

    assert_eq!(a.ask(b.address(), vec![0; 501]).await, Err(AskError::AnswerTooLarge));
    assert_eq!(b.counters().answers_dropped_oversized, 1);
    assert_eq!(a.ask(b.address(), vec![0; 500]).await.expect("it just fits").len(), 1000);

    // Here the asker is the one that takes less.
    let (c, (d, questions)) = (Node::with(small(3)).await, Node::answering(config(&secret, 4), 4).await);
    echo(questions);
    assert_eq!(c.ask(d.address(), vec![0; 501]).await, Err(AskError::AnswerTooLarge));
    assert_eq!(c.ask(d.address(), vec![0; 500]).await.expect("it just fits").len(), 1000);
}

#[tokio::test]
async fn a_question_that_is_left_lying_times_out_and_one_that_is_dropped_ends_at_once() {
    let (a, b, mut questions) = pair().await;
    let asked = a.transport.ask(b.address(), Bytes::from_static(b"?"), MOMENT).await;
    assert_eq!(asked, Err(AskError::TimedOut(MOMENT)));
    assert_eq!(a.counters().questions_timed_out, 1);
    b.until("it hears that nobody waits", |counters| counters.answers_dropped_unwanted == 1).await;

    let drop_it = async {
        // The one that timed out is still there, and answering it does nothing.
        questions.recv().await.expect("the first").reply.send(Bytes::new());
        drop(questions.recv().await.expect("the second"));
    };
    let (answered, ()) = tokio::join!(a.ask(b.address(), &b"?"[..]), drop_it);
    assert_eq!(answered, Err(AskError::BrokenOff));
    assert_eq!((b.counters().answers_missing, b.counters().answers_sent), (1, 0));
}

#[tokio::test]
async fn an_asker_that_goes_away_takes_its_question_back() {
    let (a, b, mut questions) = pair().await;
    let (transport, to) = (a.transport.clone(), b.address());
    let asker = tokio::spawn(async move { transport.ask(to, Bytes::from_static(b"?"), Duration::from_secs(20)).await });
    let _heard = questions.recv().await.expect("a question");
    asker.abort();
    b.until("it hears of it", |counters| counters.answers_dropped_unwanted == 1).await;
    a.until("it is closed here", |counters| counters.questions_failed == 1).await;
}

#[tokio::test]
async fn a_peer_that_is_gone_is_told_from_one_that_never_was() {
    let (a, b, questions) = pair().await;
    echo(questions);
    a.ask(b.address(), &b"?"[..]).await.expect("an answer");
    let gone = b.address();
    b.transport.close().await;
    a.until("it hears the goodbye", |counters| counters.connections_open() == 0).await;
    // Nobody answers there any more, and the system may say so or not.
    let hasty = Config { handshake_timeout: MOMENT, ..config(&ClusterSecret::generate(), 3) };
    let c = Node::with(hasty).await;
    assert!(matches!(c.ask(gone, &b"?"[..]).await, Err(AskError::Unreachable(_))));
    let silent = UdpSocket::bind(loopback(0)).expect("a free port");
    let nobody = silent.local_addr().expect("an address");
    assert_eq!(c.ask(nobody, &b"?"[..]).await, Err(AskError::Unreachable("no answer".into())));
    assert_eq!(c.counters().dials_failed, 2);
}

#[tokio::test]
async fn a_peer_that_closes_under_a_question_breaks_it_off() {
    let (a, b, mut questions) = pair().await;
    let close = async {
        let _heard = questions.recv().await.expect("a question");
        b.transport.close().await;
    };
    let (answered, ()) = tokio::join!(a.ask(b.address(), &b"?"[..]), close);
    assert_eq!(answered, Err(AskError::BrokenOff));
}

#[tokio::test]
async fn closing_ends_own_questions() {
    let (a, b, mut questions) = pair().await;
    let close = async {
        let _heard = questions.recv().await.expect("a question");
        a.transport.close().await;
    };
    let (answered, ()) = tokio::join!(a.ask(b.address(), &b"?"[..]), close);
    assert_eq!(answered, Err(AskError::Closed));
    assert_eq!(a.ask(b.address(), &b"?"[..]).await, Err(AskError::Closed));
}

/// Like `kill -9`: the peer's tasks vanish between two instructions and say nothing. They run on a thread that we leave,
/// and are not polled again.
#[test]
fn a_peer_that_died_without_a_word_answers_in_its_next_boot() {
    let ours = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("threads");
    let theirs = Builder::new_current_thread().enable_all().build().expect("a thread");
    let secret = ClusterSecret::generate();
    let a = ours.block_on(Node::start(&secret, 1));
    let (b, address) = theirs.block_on(async {
        let (b, questions) = Node::answering(config(&secret, 2), 4).await;
        echo(questions);
        assert_eq!(a.ask(b.address(), &b"1"[..]).await, Ok(Bytes::from_static(b"11")));
        let address = b.address();
        (b, address)
    });
    drop(theirs);
    drop(b);
    ours.block_on(async {
        let (_b, questions) = Node::answering(Config::new(address, secret.clone(), 2, 2), 4).await;
        echo(questions);
        assert_eq!(a.ask(address, &b"2"[..]).await, Ok(Bytes::from_static(b"22")));
        assert_eq!((a.counters().connections_dialled, a.counters().questions_asked), (2, 2));
    });
}

#[tokio::test]
async fn another_secret_is_not_answered() {
    let (a, b, mut questions) = pair().await;
    let stranger = Node::start(&ClusterSecret::generate(), 3).await;
    assert_eq!(stranger.ask(b.address(), &b"?"[..]).await, Err(AskError::Stranger));
    assert_eq!(a.ask(stranger.address(), &b"?"[..]).await, Err(AskError::Stranger));
    assert!(questions.try_recv().is_err());
    assert!(stranger.counters().handshakes_failed >= 1 && a.counters().handshakes_failed >= 1);
}

#[tokio::test]
async fn more_than_can_be_answered_at_once_is_refused_and_counted() {
    let secret = ClusterSecret::generate();
    let generous = |node| Config { questions_per_connection_max: 1000, ..config(&secret, node) };
    let (b, mut questions) = Node::answering(generous(2), 256).await;
    let a = Node::start(&secret, 1).await;
    let mut asked = JoinSet::new();
    let mut held = Vec::new();
    for _ in 0..ANSWERING_MAX {
        let (transport, to) = (a.transport.clone(), b.address());
        asked.spawn(async move { transport.ask(to, Bytes::new(), Duration::from_secs(20)).await });
    }
    while held.len() < ANSWERING_MAX {
        held.push(questions.recv().await.expect("a question"));
    }
    assert_eq!(a.ask(b.address(), &b"one more"[..]).await, Err(AskError::Busy));
    assert_eq!(b.counters().questions_refused_overload, 1);
    held.into_iter().for_each(|question| question.reply.send(Bytes::new()));
    assert!(asked.join_all().await.into_iter().all(|answer| answer == Ok(Bytes::new())));

    // A channel that nobody empties is as full as one that is.
    let (c, _questions) = Node::answering(generous(3), 1).await;
    let (transport, to) = (a.transport.clone(), c.address());
    let _first = tokio::spawn(async move { transport.ask(to, Bytes::new(), Duration::from_secs(20)).await });
    c.until("the first waits", |counters| counters.questions_received == 1).await;
    assert_eq!(a.ask(c.address(), &b"one more"[..]).await, Err(AskError::Busy));
    assert_eq!(c.counters().questions_refused_overload, 1);
}

#[tokio::test]
async fn one_connection_gets_no_more_at_once_than_it_is_granted() {
    let secret = ClusterSecret::generate();
    let a = Node::start(&secret, 1).await;
    let (b, mut questions) = Node::answering(Config { questions_per_connection_max: 2, ..config(&secret, 2) }, 8).await;
    let mut asked = JoinSet::new();
    for _ in 0..3 {
        let (transport, to) = (a.transport.clone(), b.address());
        asked.spawn(async move { transport.ask(to, Bytes::new(), Duration::from_secs(20)).await });
    }
    let first: [Question; 2] = [questions.recv().await.expect("one"), questions.recv().await.expect("two")];
    assert!(questions.try_recv().is_err(), "the third waits at the asker");
    first.into_iter().for_each(|question| question.reply.send(Bytes::new()));
    questions.recv().await.expect("the third").reply.send(Bytes::new());
    assert!(asked.join_all().await.into_iter().all(|answer| answer == Ok(Bytes::new())));
}

#[tokio::test]
async fn no_more_questions_are_open_than_one_node_may_have() {
    let (a, b, mut questions) = pair().await;
    let mut asked = JoinSet::new();
    let mut refused = 0;
    // Far more than may be open; those beyond the bound are refused before anything is sent.
    for _ in 0..200 {
        let (transport, to) = (a.transport.clone(), b.address());
        asked.spawn(async move { transport.ask(to, Bytes::new(), Duration::from_secs(20)).await });
    }
    while refused < 72 {
        assert_eq!(asked.join_next().await.expect("many").expect("no panic"), Err(AskError::TooMany));
        refused += 1;
    }
    assert_eq!(a.counters().questions_dropped_busy, 72, "200 less the 128 that may be open");
    tokio::spawn(async move {
        while let Some(question) = questions.recv().await {
            question.reply.send(Bytes::new());
        }
    });
    let rest = asked.join_all().await;
    assert!(rest.iter().all(|answer| *answer == Ok(Bytes::new())), "{rest:?}");
}
