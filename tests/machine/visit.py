"""A user's browser at the web portal behind its proxy, from the host into the machine's network.

    visit.py new STATE USER PASSWORD   signs in with Keycloak and makes an app password; prints it. STATE keeps the cookies
    visit.py again STATE               with those cookies: what it finds there
    visit.py profile STATE FILE        the same, and has a profile for a Mac made and kept
    visit.py administrator STATE USER  signs in again, as somebody who got the role, and opens each page of administrators

Ends with 1 and says what is wrong otherwise.
"""

import html
import http.client
import json
import re
import ssl
import sys
import urllib.parse

PORTAL = "https://account.example.org"
TLS = ssl._create_unverified_context()  # the machine's own certificate, which nobody has signed
HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'",
    "strict-transport-security": "max-age=31536000",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cache-control": "no-store",
}


def claim(is_so, otherwise):
    if not is_so:
        sys.exit(f"visit: {otherwise}")


class Browser:
    """Cookies by host; every name leads to the machine's loopback."""

    def __init__(self, cookies=None):
        self.cookies = cookies or {}

    def ask(self, method, address, form=None, headers=()):
        url = urllib.parse.urlsplit(address)
        if url.scheme == "https":
            connection = http.client.HTTPSConnection("127.0.0.1", url.port or 443, context=TLS, timeout=60)
        else:
            connection = http.client.HTTPConnection("127.0.0.1", url.port or 80, timeout=60)
        kept = self.cookies.setdefault(url.hostname, {})
        sent = {"Host": url.netloc, **dict(headers)}
        if kept:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in kept.items())
        body = None
        if form is not None:
            body = urllib.parse.urlencode(form)
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        path = url.path or "/"
        connection.request(method, path + (f"?{url.query}" if url.query else ""), body, sent)
        answer = connection.getresponse()
        text = answer.read()
        if "x-apple" not in (answer.headers["content-type"] or ""):
            text = text.decode()
        for line in answer.headers.get_all("set-cookie") or ():
            name, _, rest = line.partition("=")
            value = rest.split(";")[0]
            if value and "max-age=0" not in rest.lower():
                kept[name] = value
            else:
                kept.pop(name, None)
        connection.close()
        return answer, text, address

    def open(self, address):
        """Follows what leads elsewhere."""
        for _ in range(10):
            answer, text, _ = self.ask("GET", address)
            if answer.status not in (302, 303):
                return answer, text, address
            address = urllib.parse.urljoin(address, answer.headers["location"])
        sys.exit(f"visit: it leads on and on, now to {address}")


def looks_right(answer):
    claim(answer.status == 200, f"the answer is {answer.status}")
    for name, value in HEADERS.items():
        found = answer.headers.get(name) or ""
        claim(found.startswith(value), f"{name} is {found!r}")


def sign_in(browser, user, password):
    answer, text, address = browser.open(f"{PORTAL}/device")
    claim("/realms/mail/protocol/openid-connect/auth?" in address, f"the sign-in leads to {address}")
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(address).query)
    claim(query["redirect_uri"] == [f"{PORTAL}/sign-in/done"], query["redirect_uri"])
    claim(query["code_challenge_method"] == ["S256"], "there is no PKCE")
    action = re.search(r'action="([^"]*login-actions/authenticate[^"]*)"', text)
    claim(action, f"Keycloak shows no form: {answer.status}")
    form = {"username": user, "password": password, "credentialId": ""}
    answer, text, _ = browser.ask("POST", html.unescape(action.group(1)), form)
    claim(answer.status == 302, f"Keycloak answers {answer.status} to the password")
    answer, text, address = browser.open(answer.headers["location"])
    claim(address == f"{PORTAL}/device", f"the sign-in ends at {address}: {text[:2000]}")
    looks_right(answer)
    claim(user in text and "mail.example.org" in text, "the page names no mailbox and no server")


def administrate(browser, user):
    # Keycloak remembers who signed in, and tells the roles of this moment.
    answer, text, address = browser.open(f"{PORTAL}/sign-in?to=admin")
    claim(address == f"{PORTAL}/admin", f"the sign-in ends at {address}: {text[:2000]}")
    person = urllib.parse.urlencode({"user": user})
    for page in ("", "/check", f"/person?{person}", "/mailboxes", "/domains", "/templates", "/identity-provider", "/sync", "/census"):
        answer, text, address = browser.open(f"{PORTAL}/admin{page}")
        claim(answer.status == 200 and address.startswith(f"{PORTAL}/admin"), f"{page}: {answer.status} at {address}: {text[:2000]}")
        looks_right(answer)
        claim('role="alert"' not in text, f"{page} complains: {text}")
        claim('id="on-disk"' not in text and 'id="unusable"' not in text, f"{page} sees another configuration: {text}")
    claim(user in browser.open(f"{PORTAL}/admin/mailboxes")[1], "the mailbox is in no list")


def make(browser):
    form = {"name": "the machine's phone", "services": "imap", "days": "never", "networks": ""}
    for headers in ((), (("Origin", "https://evil.example"),)):
        answer, _, _ = browser.ask("POST", f"{PORTAL}/app-passwords", form, headers)
        claim(answer.status == 403, f"a form of another site is answered with {answer.status}")
    answer, text, _ = browser.ask("POST", f"{PORTAL}/app-passwords", form, (("Origin", PORTAL),))
    looks_right(answer)
    password = re.search(r'id="password"[^>]*>([^<]+)<', text)
    claim(password, "no app password is shown")
    return html.unescape(password.group(1))


def main(what, state, *who):
    if what == "new":
        browser = Browser()
        answer, _, _ = browser.open(PORTAL)
        looks_right(answer)
        answer, text, _ = browser.open("https://autoconfig.example.org/mail/config-v1.1.xml?emailaddress=x@example.org")
        claim(answer.status == 200 and "<hostname>mail.example.org</hostname>" in text, f"mail programs are told: {text}")
        sign_in(browser, *who)
        print(make(browser))
        with open(state, "w", encoding="utf-8") as file:
            json.dump(browser.cookies, file)
        return
    with open(state, encoding="utf-8") as file:
        browser = Browser(json.load(file))
    if what == "administrator":
        administrate(browser, *who)
        print("OK")
    elif what == "profile":
        form = {"name": "Mac", "services": "imap", "days": "never", "program": "apple"}
        answer, content, _ = browser.ask("POST", f"{PORTAL}/app-passwords", form, (("Origin", PORTAL),))
        kind = answer.headers["content-type"]
        claim(answer.status == 200 and kind == "application/x-apple-aspen-config", f"{answer.status} {kind}")
        with open(who[0], "wb") as file:
            file.write(content)
    else:
        answer, text, address = browser.open(f"{PORTAL}/app-passwords")
        claim(address == f"{PORTAL}/app-passwords", f"the session is over: {address}")
        claim("the machine's phone" in html.unescape(text), f"the app password is not in the list: {answer.status} {text}")
        print("OK")


if __name__ == "__main__":
    main(*sys.argv[1:])
