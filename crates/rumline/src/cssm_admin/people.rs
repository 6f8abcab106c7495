//! People, programs and their roles.

use anyhow::Result;
use serde_json::json;

use super::{Api, Command, read_password};

/// What a role is for: nothing named is everything.
async fn role_for(
    api: &Api,
    smart_account: Option<&String>,
    virtual_account: Option<&String>,
) -> Result<(Option<i64>, Option<i64>)> {
    let Some(smart) = smart_account else { return Ok((None, None)) };
    let sa = api.find("/smart-accounts", smart).await?;
    let va = match virtual_account {
        Some(name) => {
            Some(api.find(&format!("/smart-accounts/{sa}/virtual-accounts"), name).await?)
        }
        None => None,
    };
    Ok((Some(sa), va))
}

/// The commands for them.
pub(super) async fn people_commands(api: &Api, command: &Command) -> Result<()> {
    let of = |login: &str| format!("/people/{}", rumline_web::in_query(login).replace('/', "%2F"));
    match command {
        Command::People { smart_account: None } => api.shown("GET", "/people", None).await?,
        Command::People { smart_account: Some(name) } => {
            let path = format!("{}/people", api.smart_account(name).await?);
            api.shown("GET", &path, None).await?;
        }
        Command::AddPerson { login, role, password_file, smart_account, virtual_account } => {
            let (sa, va) = role_for(api, smart_account.as_ref(), virtual_account.as_ref()).await?;
            let password = password_file.as_deref().map(|file| read_password(Some(file)));
            let body = json!({
                "login": login, "password": password.transpose()?, "role": role,
                "virtual_account_id": va,
            });
            // Whoever administers the account alone may do it there.
            let path = sa.map_or("/people".to_owned(), |sa| format!("/smart-accounts/{sa}/people"));
            let made = api.json("POST", &path, Some(body)).await?;
            match made["secret"].as_str() {
                Some(secret) => say!("{secret}"),
                None => say!("{login} may log in as {role}."),
            }
        }
        Command::RemovePerson { login } => {
            api.json("DELETE", &of(login), None).await?;
            say!("{login} removed.");
        }
        Command::DisablePerson { login } => {
            api.json("POST", &format!("{}/disable", of(login)), None).await?;
            say!("{login} may log in no more.");
        }
        Command::EnablePerson { login } => {
            api.json("POST", &format!("{}/enable", of(login)), None).await?;
            say!("{login} may log in again.");
        }
        Command::SetPassword { login, password_file } => {
            let body = json!({ "password": read_password(Some(password_file))? });
            api.json("POST", &format!("{}/password", of(login)), Some(body)).await?;
            say!("{login} has another password.");
        }
        Command::RenewSecret { login } => {
            let made = api.json("POST", &format!("{}/secret", of(login)), None).await?;
            say!("{}", made["secret"].as_str().unwrap_or_default());
        }
        Command::ChangePassword { old_password_file, password_file } => {
            let (old, new) =
                (read_password(Some(old_password_file))?, read_password(Some(password_file))?);
            let body = json!({ "old": old, "new": new });
            api.json("POST", "/me/password", Some(body)).await?;
            say!("Password changed; log in again.");
        }
        Command::Grant { login, role, smart_account, virtual_account } => {
            let (sa, va) = role_for(api, smart_account.as_ref(), virtual_account.as_ref()).await?;
            let body = json!({ "role": role, "virtual_account_id": va });
            let path = match sa {
                Some(sa) => format!("/smart-accounts/{sa}{}/roles", of(login)),
                None => format!("{}/roles", of(login)),
            };
            api.json("PUT", &path, Some(body)).await?;
            say!("{login} is {role} now.");
        }
        Command::TakeBack { login, smart_account, virtual_account } => {
            let (sa, va) = role_for(api, smart_account.as_ref(), virtual_account.as_ref()).await?;
            let part = va.map_or(String::new(), |va| format!("?virtual_account_id={va}"));
            let path = match sa {
                Some(sa) => format!("/smart-accounts/{sa}{}/roles{part}", of(login)),
                None => format!("{}/roles", of(login)),
            };
            api.json("DELETE", &path, None).await?;
            say!("Taken back.");
        }
        _ => {}
    }
    Ok(())
}
