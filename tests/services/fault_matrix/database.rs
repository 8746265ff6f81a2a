//! Faults of the database. SQLite has one only, a file that another process writes: it keeps nobody from reading, which
//! `first_login` relies on.

use super::grid::Grid;
use crate::LoneCase;
use crate::mailcow::world::person;
use crate::stage::keydove::with;
use crate::stage::process::Program;
use crate::stage::system::System;
use crate::stage::{Failure, Result};

pub const SERVER_CASES: &[LoneCase] = &[
    ("a_stopped_mariadb_refuses_nobody", |system| {
        let grid = prepare(system, ["mx-sql-stopped", "mxs-sql-stopped"])?;
        // Frozen and thawed below; here it is gone, and its socket too.
        let server = std::cell::RefCell::new(system);
        grid.play("sql_", &|| mariadb(&mut server.borrow_mut())?.stop(), &|| {
            mariadb(&mut server.borrow_mut())?.start_again()
        })
    }),
    ("a_frozen_mariadb_refuses_nobody", |system| {
        let grid = prepare(system, ["mx-sql-frozen", "mxs-sql-frozen"])?;
        let server = mariadb(system)?;
        grid.play("sql_", &|| server.freeze(), &|| server.thaw())
    }),
    ("a_locked_table_in_mariadb_refuses_nobody", |system| {
        let grid = prepare(system, ["mx-sql-locked", "mxs-sql-locked"])?;
        let holder: std::cell::RefCell<Option<Program>> = std::cell::RefCell::default();
        let server = mariadb(system)?;
        grid.play(
            "sql_",
            &|| {
                *holder.borrow_mut() = Some(server.lock_tables()?);
                Ok(())
            },
            &|| holder.borrow_mut().take().map_or(Ok(()), |mut holder| holder.stop().map(drop)),
        )
    }),
];

fn mariadb(system: &mut System) -> Result<&mut crate::stage::mariadb::MariaDb> {
    system.mariadb().ok_or_else(|| Failure("this system has no database server".to_owned()))
}

fn prepare(system: &System, names: [&'static str; 2]) -> Result<Grid> {
    let grid = Grid::start(system, names, None, &|text| with(&text, "timeout", "500ms"))?;
    let addresses = ["cold", "warm", "after"].map(|who| grid.address(who));
    system.keycloak.admin().import(&addresses.each_ref().map(|address| person(address)))?;
    // The bench of mailcow's cases makes the domain, if it was there before.
    let rows = system.query("SELECT domain FROM domain WHERE domain = 'case.example'")?;
    if rows.is_empty() {
        system.execute(&crate::mailcow::world::domain("case.example", ""))?;
    }
    for address in &addresses {
        let (local_part, domain) = address.split_once('@').unwrap_or_default();
        system.execute(&format!(
            "INSERT INTO mailbox (username, password, name, quota, local_part, domain, attributes, authsource)
             VALUES ('{address}', '', '', 0, '{local_part}', '{domain}', '{{}}', 'keycloak');"
        ))?;
    }
    Ok(grid)
}
