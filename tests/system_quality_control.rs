//! A system: quality control in an async service. Samples and violations are typed events, async handlers run at the same time in the
//! background, one that fails harms nobody, and whoever wants to waits for all of them and has every error.

mod support;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use sigtree::{Bus, Completion, Error, Event, Failure, Left, Received, Signal};
use support::quietly;
use tokio::sync::{Barrier, mpsc, oneshot};

const MINUTE: Duration = Duration::from_secs(60);

#[derive(Debug)]
struct SampleProcessed {
    sample: u32,
    mean: f64,
}

#[derive(Debug)]
struct ViolationCreated {
    violation: u32,
    sample: u32,
}

/// A service on threads of a runtime, as a web server is.
fn serve(service: impl Future<Output = Result<(), Error>>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(service).unwrap();
}

fn sample(sample: u32) -> SampleProcessed {
    SampleProcessed { sample, mean: f64::from(sample) }
}

#[test]
fn handlers_run_at_the_same_time_and_the_publisher_goes_on() {
    serve(async {
        let bus = Bus::new();
        let samples: Signal<SampleProcessed> = bus.signal("sample.processed")?;
        // Each waits for the other two, the test among them: one after the other they would wait for ever.
        let together = Arc::new(Barrier::new(3));
        let handler = |barrier: Arc<Barrier>| {
            move |_: Received<SampleProcessed>| {
                let barrier = barrier.clone();
                async move {
                    let _leader = barrier.wait().await;
                }
            }
        };
        let _log = samples.on().named("log").connect_async(handler(together.clone()))?;
        let _socket = samples.on().named("socket").connect_async(handler(together.clone()))?;
        assert_eq!(samples.emit(sample(1)).called(), 2, "they have begun, and none has ended");
        together.wait().await;
        bus.drain(MINUTE)
    });
}

#[test]
fn a_type_is_subscribed_whatever_its_topic_and_another_is_refused() {
    serve(async {
        let bus = Bus::new();
        let (said, mut heard) = mpsc::unbounded_channel();
        let _email = bus.connect_async("**", move |event: Received<ViolationCreated>| {
            let said = said.clone();
            async move { said.send((event.violation, event.sample)).map_err(|_| "nobody hears") }
        })?;
        let _samples: Signal<SampleProcessed> = bus.signal("sample.processed")?;
        bus.emit("sample.processed", sample(7));
        bus.emit("violation.created", ViolationCreated { violation: 1, sample: 7 });
        assert_eq!(heard.recv().await, Some((1, 7)));
        assert!(bus.try_emit("sample.processed", "no sample").unwrap_err().is_type_mismatch());
        Ok(())
    });
}

#[test]
fn one_that_fails_harms_neither_the_others_nor_the_publisher() {
    serve(async {
        let bus = Bus::new();
        let (reports, mut reported) = mpsc::unbounded_channel();
        let _logged = bus.connect("$sys.handler.failed", move |report: &Event<'_>| {
            reports.send(report.topic().to_string()).map_err(|_| "nobody hears")
        })?;
        let (said, mut heard) = mpsc::unbounded_channel();
        let _fails =
            bus.connect_async("sample", |_: Received<SampleProcessed>| async { Err::<(), _>("no database") })?;
        let _panics = bus.connect_async("sample", |event: Received<SampleProcessed>| async move {
            quietly(|| assert!(event.mean < 0.0, "out of control"));
        })?;
        let _works = bus.connect_async("sample", move |event: Received<SampleProcessed>| {
            let said = said.clone();
            async move { said.send(event.sample).map_err(|_| "nobody hears") }
        })?;
        let delivery = bus.emit("sample", sample(3));
        assert_eq!((delivery.called(), delivery.failed()), (3, 0), "the publisher never sees what fails later");
        assert_eq!(heard.recv().await, Some(3));
        assert!(reported.recv().await.is_some() && reported.recv().await.is_some());
        bus.drain(MINUTE)?;
        assert_eq!(bus.failures(), 2);
        Ok(())
    });
}

#[test]
fn whoever_publishes_and_waits_has_every_error() {
    serve(async {
        let bus = Bus::new();
        let fails = |why: &'static str| move |_: Received<SampleProcessed>| async move { Err::<(), _>(why) };
        let _database = bus.on("sample").named("database").connect_async(fails("no connection"))?;
        let _works = bus.connect_async("sample", |_: Received<SampleProcessed>| async {})?;
        let _email = bus.on("sample").named("email").connect_async(fails("no server"))?;
        let delivery = bus.emit_and_wait("sample", sample(1)).await;
        assert_eq!((delivery.called(), delivery.failed()), (3, 2));
        let error = |failure: &Arc<Failure>| (failure.name.as_deref().map(String::from), failure.cause.to_string());
        let mut errors: Vec<_> = delivery.failures().iter().map(error).collect();
        errors.sort_unstable();
        assert_eq!(
            errors,
            [(Some("database".into()), "no connection".into()), (Some("email".into()), "no server".into()),]
        );
        assert!(bus.emit_and_wait("nobody", sample(1)).await.failures().is_empty());
        Ok(())
    });
}

#[test]
fn they_run_side_by_side_for_whoever_waits_too_unless_he_wants_one_after_the_other() {
    let bus = Bus::new();
    let meet = Arc::new(Barrier::new(2));
    let handler = || {
        let meet = meet.clone();
        move |_: Received<SampleProcessed>| {
            let meet = meet.clone();
            async move {
                meet.wait().await;
            }
        }
    };
    let _both = [(); 2].map(|()| bus.connect_async("sample", handler()).unwrap());
    // Polled by hand, so that one that never ends is seen.
    let ends = |completion: &mut Completion| {
        let mut context = Context::from_waker(Waker::noop());
        (0..100).any(|_| Pin::new(&mut *completion).poll(&mut context).is_ready())
    };
    assert!(ends(&mut bus.emit_and_wait("sample", sample(1))));
    let mut serial = bus.emit_and_wait("sample", sample(2)).serial();
    assert!(!ends(&mut serial), "the first waits for the second, which does not begin");
    assert_eq!(serial.cancel().len(), 1, "and that is told");
}

#[test]
fn a_shutdown_waits_for_what_is_pending_and_says_what_it_did_not_wait_for() {
    serve(async {
        let bus = Bus::new();
        let (release, released) = oneshot::channel::<()>();
        let released = Arc::new(tokio::sync::Mutex::new(Some(released)));
        let _slow = bus.on("violation").named("webhook").connect_async(move |_: Received<ViolationCreated>| {
            let released = released.clone();
            async move {
                let released = released.lock().await.take().ok_or("called twice")?;
                released.await.map_err(|_| "never released")
            }
        })?;
        bus.emit("violation", ViolationCreated { violation: 1, sample: 1 });

        let report = bus.shutdown(Duration::ZERO);
        assert!(matches!(report.left(), [Left::Calls { count: 1, .. }]), "{report}");
        assert!(
            bus.try_emit("violation", ViolationCreated { violation: 2, sample: 1 }).unwrap_err().is_shutting_down()
        );

        release.send(()).unwrap();
        // A shutdown keeps its thread, so it is given one where that is no harm.
        let ends = bus.clone();
        let report = tokio::task::spawn_blocking(move || ends.shutdown(MINUTE)).await.unwrap();
        assert!(report.is_clean(), "{report}");
        assert_eq!(bus.failures(), 0);
        Ok(())
    });
}

#[test]
fn who_unsubscribes_hears_no_more_and_a_service_may_have_one_bus_for_all() {
    serve(async {
        let bus = sigtree::global();
        let handler = bus.connect_async("quality.sample", |_: Received<SampleProcessed>| async {})?;
        assert_eq!(bus.emit_and_wait("quality.sample", sample(1)).await.called(), 1);
        drop(handler);
        assert_eq!(bus.emit_and_wait("quality.sample", sample(2)).await.called(), 0);
        Ok(())
    });
}
