use std::sync::Mutex;

use super::*;
use crate::backend::keycloak::Entry;

const PAUSE: Duration = Duration::from_millis(10);

/// A test double of Keycloak's list: pages and counts as a script has them, because a real server shifts its pages only by
/// chance.
struct ScriptedDirectory {
    pages: Vec<Vec<usize>>,
    counts: Mutex<Vec<u64>>,
    /// So often it answers that its stores are there, then that one is not.
    whole: Mutex<usize>,
}

impl ScriptedDirectory {
    fn new(pages: &[&[usize]], counts: [u64; 2]) -> Self {
        let pages = pages.iter().map(|page| page.to_vec()).collect();
        let whole = Mutex::new(usize::MAX);
        Self { pages, counts: Mutex::new(counts.into_iter().rev().collect()), whole }
    }
}

fn down() -> Error {
    Error::StoreDown { call: "a probe", store: "`s` ".to_owned() }
}

impl Directory for ScriptedDirectory {
    async fn is_whole(&self) -> Result<(), Error> {
        let mut whole = self.whole.lock().unwrap();
        *whole = whole.checked_sub(1).ok_or_else(down)?;
        Ok(())
    }

    async fn count(&self) -> Result<u64, Error> {
        Ok(self.counts.lock().unwrap().pop().unwrap())
    }

    async fn page(&self, first: usize) -> Result<Vec<Listed>, Error> {
        let mut before = 0;
        for page in &self.pages {
            if before == first {
                return Ok(page.iter().map(|&number| entry(number)).collect());
            }
            before += page.len();
        }
        Ok(Vec::new())
    }
}

/// A test double that fails at its third page, or says something that is no list.
struct BrokenDirectory;

impl Directory for BrokenDirectory {
    async fn is_whole(&self) -> Result<(), Error> {
        Ok(())
    }

    async fn count(&self) -> Result<u64, Error> {
        Ok(300)
    }

    async fn page(&self, first: usize) -> Result<Vec<Listed>, Error> {
        match first {
            200 => Err(Error::ServerError { call: "the list of users", status: 500 }),
            _ => Ok((first..first + PAGE).map(entry).collect()),
        }
    }
}

/// From 1000 on they are of a store without copies.
fn entry(number: usize) -> Listed {
    let id = if number < 1000 { number.to_string() } else { format!("f:store:{number}") };
    Listed {
        id: id.into(),
        is_in_use: !number.is_multiple_of(7),
        name: Box::default(),
        entry: Entry::NoAddress,
    }
}

async fn walk(directory: &impl Directory) -> (usize, Walked) {
    let mut walk = Walk::begin(directory, PAUSE).await.unwrap();
    let mut handed_on = 0;
    while let Some(page) = walk.next().await.unwrap() {
        handed_on += page.len();
    }
    (handed_on, walk.end().await.unwrap())
}

fn numbers(from: usize, to: usize) -> Vec<usize> {
    (from..to).collect()
}

#[tokio::test(start_paused = true)]
async fn a_whole_list_is_believed_at_any_length() {
    for people in [1, 99, 100, 101, 200, 250] {
        let all = numbers(0, people);
        let pages: Vec<&[usize]> = all.chunks(PAGE).collect();
        let directory = ScriptedDirectory::new(&pages, [people as u64; 2]);
        let (handed_on, walked) = walk(&directory).await;
        assert_eq!((handed_on, walked.doubt), (people, None), "{people}");
        assert!(!walked.in_use.contains("0") && walked.in_use.len() == people - people.div_ceil(7));
    }
}

#[tokio::test(start_paused = true)]
async fn pages_that_shift_or_repeat_are_not_believed() {
    let (first, second, rest) = (numbers(0, 100), numbers(99, 199), numbers(199, 220));
    let directory = ScriptedDirectory::new(&[&first, &second, &rest], [220, 220]);
    let (handed_on, walked) = walk(&directory).await;
    assert_eq!((handed_on, walked.doubt), (220, Some(Doubt::Repeated(1))));
    // Somebody of the first page was deleted meanwhile, and somebody else slipped between two pages.
    let second = numbers(101, 180);
    let directory = ScriptedDirectory::new(&[&first, &second], [181, 180]);
    let doubt = Doubt::Counts { listed: 179, before: 181, after: 180 };
    assert_eq!(walk(&directory).await.1.doubt, Some(doubt));
    // The same page for ever.
    let directory = ScriptedDirectory::new(&[&first, &first, &first, &first], [400, 400]);
    let (handed_on, walked) = walk(&directory).await;
    assert_eq!((handed_on, walked.doubt), (100, Some(Doubt::Repeated(100))));
}

#[tokio::test(start_paused = true)]
async fn a_list_that_is_empty_or_too_short_is_not_believed() {
    let directory = ScriptedDirectory::new(&[], [0, 0]);
    assert_eq!(walk(&directory).await.1.doubt, Some(Doubt::Empty));
    let half = numbers(0, 50);
    let directory = ScriptedDirectory::new(&[&half], [100, 100]);
    let doubt = Doubt::Counts { listed: 50, before: 100, after: 100 };
    assert_eq!(walk(&directory).await.1.doubt, Some(doubt));
}

#[tokio::test(start_paused = true)]
async fn a_page_that_fails_ends_the_walk() {
    let mut walk = Walk::begin(&BrokenDirectory, PAUSE).await.unwrap();
    assert!(walk.next().await.is_ok_and(|page| page.is_some()));
    assert!(walk.next().await.is_ok_and(|page| page.is_some()));
    assert!(matches!(walk.next().await, Err(Error::ServerError { status: 500, .. })));
    assert_eq!(walk.cost().pages, 2);
}

#[tokio::test(start_paused = true)]
async fn people_without_copies_are_listed_and_not_counted() {
    let all = [numbers(0, 60), numbers(1000, 1040)].concat();
    let directory = ScriptedDirectory::new(&[&all, &[]], [60, 60]);
    let (handed_on, walked) = walk(&directory).await;
    assert_eq!((handed_on, walked.doubt, walked.stores.len()), (100, None, 1));
    let directory = ScriptedDirectory::new(&[&numbers(1000, 1040)], [0, 0]);
    assert_eq!(walk(&directory).await.1.doubt, None);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_down_before_or_after_ends_the_walk() {
    for answers in [0, 1] {
        let directory = ScriptedDirectory::new(&[&numbers(0, 3)], [3, 3]);
        *directory.whole.lock().unwrap() = answers;
        let end = match Walk::begin(&directory, PAUSE).await {
            Ok(mut walk) => {
                while walk.next().await.unwrap().is_some() {}
                walk.end().await.map(drop)
            }
            Err(error) => Err(error),
        };
        assert_eq!(end.unwrap_err(), down(), "{answers}");
    }
}
