use super::*;

/// A database that nobody is at home in.
async fn nowhere() -> Arc<Database> {
    let text = "[mariadb]\nsocket = '/nonexistent/sock'\nuser = 'u'\ndatabase = 'd'";
    Arc::new(crate::backend::sql::open(&toml::from_str(text).unwrap(), None).await.unwrap())
}

async fn bookkeeper(config: &Config) -> (Bookkeeper, Worker) {
    let provisioner = Provisioner::new(&crate::provision::Config::default());
    let redis = toml::from_str("socket = '/nonexistent/redis'").unwrap();
    new(
        config,
        nowhere().await,
        Arc::new(provisioner),
        Some(Redis::new(&redis, crate::backend::redis::Passwords::default()).unwrap()),
    )
}

fn accepted() -> Note {
    let user = Username::parse(b"alice@example.org").unwrap();
    let remote = "192.0.2.7".parse().ok();
    Note::Accepted(AcceptedLogin { user, service: "imap".into(), remote, app_password: None })
}

fn refused(remote: Option<IpAddr>) -> Note {
    Note::Refused(RefusedLogin { user: (*b"x").into(), remote, session: None, guess: Guess::Secret })
}

#[tokio::test]
async fn a_note_that_does_not_fit_is_counted() {
    let (bookkeeper, _worker) = bookkeeper(&Config::default()).await;
    for _ in 0..QUEUE + 10 {
        bookkeeper.clone().note(accepted());
    }
    assert_eq!(bookkeeper.dropped(), 10);
}

#[tokio::test]
async fn what_nobody_wants_is_not_missed() {
    let config = Config { login_log: false, ..Config::default() };
    let (bookkeeper, _worker) = bookkeeper(&config).await;
    for _ in 0..QUEUE + 10 {
        bookkeeper.note(accepted());
        bookkeeper.note(refused("192.0.2.7".parse().ok()));
        bookkeeper.note(refused(None));
        Bookkeeper::disabled().note(accepted());
    }
    assert_eq!((bookkeeper.dropped(), Bookkeeper::disabled().dropped()), (0, 0));
}

#[test]
fn what_a_stranger_sent_is_cut_before_it_waits() {
    let long = "x".repeat(10_000);
    let login = RefusedLogin {
        user: long.as_bytes().into(),
        remote: None,
        session: Some(long.into()),
        guess: Guess::Secret,
    };
    let cut = login.cut();
    assert_eq!((cut.user.len(), cut.session.map(|session| session.len())), (255, Some(64)));
}
