//! What stays of the records: bounds, watches, those that are put back.

use super::*;

/// What a watch was told.
#[derive(Default)]
struct Told(Mutex<Vec<String>>);

impl RecordWatch<Number> for Arc<Told> {
    fn replaced(&self, _: &Username, older: &Number, younger: &Number) {
        self.0.lock().unwrap().push(format!("{} by {}", older.0, younger.0));
    }

    fn dropped(&self, records: &Records<Number>, user: &Username, record: &Arc<Number>) {
        assert!(records.look(user).is_none());
        self.0.lock().unwrap().push(format!("{} dropped", record.0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_hears_of_every_record_that_does_not_stay() {
    let (source, told) = (Source::default(), Arc::new(Told::default()));
    let records = source.records_watched(1 << 20, Some(Arc::new(Arc::clone(&told))));
    let user = alice();
    source.will_say(100, Ok(1));
    let (first, ()) = tokio::join!(records.get(&user), async {
        sleep(Duration::from_millis(50)).await;
        records.forget_where(|record| record.0 == 1);
    });
    assert_eq!(first.unwrap().record.0, 1);
    for says in [2, 3] {
        source.will_say(0, Ok(says));
        records.get(&user).await.unwrap();
        advance(secs(60)).await;
    }
    assert_eq!(*told.0.lock().unwrap(), ["1 dropped", "2 by 3"]);
}

#[tokio::test(start_paused = true)]
async fn the_records_are_bounded_in_bytes() {
    let source = Source::default();
    let records = source.records_of(10_000);
    for number in 1..=1000_u32 {
        source.will_say(0, Ok(number));
        let user = Username::parse(format!("user{number}@example.org").as_bytes()).unwrap();
        records.get(&user).await.unwrap();
    }
    let counts = records.counts();
    assert!(counts.bytes <= 10_000 && counts.entries > 10 && counts.entries < 100, "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn a_restored_record_is_as_old_as_it_was() {
    let source = Source::default();
    let records = source.records();
    let user = alice();
    advance(secs(1000)).await;
    records.restoring().put(user.clone(), Number(7), Instant::now() - secs(900));
    source.will_say(0, AWAY);
    let held = records.get(&user).await.unwrap();
    assert_eq!((held.record.0, held.stale.is_some()), (7, true));
    source.will_say(0, Ok(8));
    assert_eq!(records.get(&user).await.unwrap().record.0, 8);
    records.restoring().put(user.clone(), Number(7), Instant::now());
    assert_eq!(records.look(&user).unwrap().record.0, 8);
    assert_eq!(records.all().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_forgotten_while_records_are_put_back_is_not_put_back() {
    let records = Source::default().records();
    let bob = Username::parse(b"bob@example.org").unwrap();
    let (restoring, other) = (records.restoring(), records.restoring());
    assert!(!records.forget(&alice()));
    restoring.put(alice(), Number(7), Instant::now());
    restoring.put(bob.clone(), Number(8), Instant::now());
    assert!(records.look(&alice()).is_none());
    assert_eq!(records.look(&bob).unwrap().record.0, 8);
    // Of some by what is known of them, and what comes later is not meant.
    records.forget_where(|number| number.0 == 9);
    let later = records.restoring();
    other.put(alice(), Number(9), Instant::now());
    assert!(records.look(&alice()).is_none());
    later.put(alice(), Number(9), Instant::now());
    assert_eq!(records.look(&alice()).unwrap().record.0, 9);
}
