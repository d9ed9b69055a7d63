//! Rows: a text, and what becomes of it. Near misses matter as much as hits.

use super::check;

#[test]
fn values_behind_telling_names() {
    check(&[
        ("password=hunter2", "password=[scrubbed:secret]"),
        ("PASSWORD = hunter2 ok", "PASSWORD = [scrubbed:secret] ok"),
        ("login failed, passwd: hunter2.", "login failed, passwd: [scrubbed:secret]."),
        ("db_password=p@ss:w0rd, user=kim", "db_password=[scrubbed:secret], user=kim"),
        ("spring.datasource.password=abc", "spring.datasource.password=[scrubbed:secret]"),
        ("userPassword=abc&name=kim", "userPassword=[scrubbed:secret]&name=kim"),
        (r#"{"password": "hunter2", "id": 7}"#, r#"{"password": "[scrubbed:secret]", "id": 7}"#),
        (r#"{"password":"a\"b,c","id":7}"#, r#"{"password":"[scrubbed:secret]","id":7}"#),
        (r#"{\"password\":\"a b\",\"id\":7}"#, r#"{\"password\":\"[scrubbed:secret]\",\"id\":7}"#),
        (r#"{"pin":1234,"id":7}"#, r#"{"pin":[scrubbed:secret],"id":7}"#),
        (r#"{"secret":["a","b"],"id":7}"#, r#"{"secret":[[scrubbed:secret]],"id":7}"#),
        (r#"{"token":{"value":"abc"},"id":7}"#, r#"{"token":{[scrubbed:secret]},"id":7}"#),
        ("{'client_secret': 'abc', 'x': 1}", "{'client_secret': '[scrubbed:secret]', 'x': 1}"),
        ("{'token': b'abc', 'x': 1}", "{'token': [scrubbed:secret], 'x': 1}"),
        (r#"{"password"=>"abc", :token=>"x"}"#, r#"{"password"=>"[scrubbed:secret]", :token=>"[scrubbed:secret]"}"#),
        ("array('password' => 'abc')", "array('password' => '[scrubbed:secret]')"),
        ("[password] => abc", "[password] => [scrubbed:secret]"),
        ("user[password]=abc&user[name]=kim", "user[password]=[scrubbed:secret]&user[name]=kim"),
        ("{password=[abc], name=[kim]}", "{password=[[scrubbed:secret]], name=[kim]}"),
        ("User(name=kim, password=abc)", "User(name=kim, password=[scrubbed:secret])"),
        ("User(name=kim, password=abc, age=3)", "User(name=kim, password=[scrubbed:secret], age=3)"),
        (r#"Login { token: Some("a b"), id: 3 }"#, "Login { token: [scrubbed:secret], id: 3 }"),
        ("{AccessToken:abc User:kim}", "{AccessToken:[scrubbed:secret] User:kim}"),
        ("token := abc", "token := [scrubbed:secret]"),
        ("password=a,b=c;d next", "password=[scrubbed:secret],b=c;d next"),
        ("password=a,b;c|d next", "password=[scrubbed:secret] next"),
        ("msg=\"token=abc\" x", "msg=\"token=[scrubbed:secret]\" x"),
        ("<password>abc</password>", "<password>[scrubbed:secret]</password>"),
        ("<ns:userPassword>a b</ns:userPassword>", "<ns:userPassword>[scrubbed:secret]</ns:userPassword>"),
        ("<login password='abc'/>", "<login password='[scrubbed:secret]'/>"),
        ("비밀번호: 1234abcd 입니다", "비밀번호: [scrubbed:secret] 입니다"),
        ("사용자비밀번호=1234&a=b", "사용자비밀번호=[scrubbed:secret]&a=b"),
        ("주민번호 : 900101", "주민번호 : [scrubbed:secret]"),
        (r#""인증번호":"123456""#, r#""인증번호":"[scrubbed:secret]""#),
        (
            "Field error in object 'user' on field 'password': rejected value [abc]; codes [x]",
            "Field error in object 'user' on field 'password': rejected value [[scrubbed:secret]]; codes [x]",
        ),
        ("Using generated security password: 78fa095d-3f4c", "Using generated security password: [scrubbed:secret]"),
        ("smtp_pass=abc pass: 3, fail: 1", "smtp_pass=[scrubbed:secret] pass: 3, fail: 1"),
        ("password=\"cut off in the midd", "password=\"[scrubbed:secret]"),
        ("X-Api-Key: abc, apikey=b", "X-Api-Key: [scrubbed:secret], apikey=[scrubbed:secret]"),
    ]);
}

#[test]
fn names_that_only_look_telling_and_values_that_say_nothing() {
    check_kept(&[
        "tokenizer=bert",
        "passwords expire: 30 days",
        "password_length=8",
        "max_tokens: 4096",
        "token_type=bearer",
        "spin=3 shopping=yes opinion: good mapping=x",
        "secretary: kim",
        "sessions=4 inside: out",
        "Token::parse(x) failed",
        "token == null",
        "password != confirmation",
        "password=null",
        "password=",
        "password=&id=1",
        r#""password":"","id":1"#,
        "password: must not be blank",
        "비밀번호: 필수",
        "password=****",
        "Unexpected token: '}' at line 3",
        "Unexpected token < in JSON at position 0",
        "com.auth0.jwt.exceptions.InvalidToken: signature does not match",
        "invalid_token: the access token is old",
        "where password = ? and token = :token and secret = $1",
        "password=%s token={} secret={0} otp=${otp}",
        "at com.foo.Token.parse(Token.java:12)",
        "File \"secret.py\", line 3",
        "List<Token> x = y",
        "password is wrong",
        "Could not open Hibernate session: connection refused",
        "token: [scrubbed:secret]",
        "token=a[scrubbed:card]b",
        "[scrubbed:secret]: x [scrubbed:secret]=y",
    ]);
}

#[test]
fn headers() {
    check(&[
        ("Authorization: Basic dXNlcjpwYXNz\nHost: x", "Authorization: [scrubbed:secret]\nHost: x"),
        ("authorization=Bearer abc, host=x", "authorization=[scrubbed:secret], host=x"),
        ("Authorization: abc", "Authorization: [scrubbed:secret]"),
        ("Authorization: Bearer abc was refused", "Authorization: [scrubbed:secret] was refused"),
        (
            "Proxy-Authorization: Digest username=\"kim\", response=\"6629\"\r\nA: b",
            "Proxy-Authorization: [scrubbed:secret]\r\nA: b",
        ),
        (r#"{"Authorization": "Bearer abc", "Host": "x"}"#, r#"{"Authorization": "[scrubbed:secret]", "Host": "x"}"#),
        ("Cookie: a=b; c=d\nHost: x", "Cookie: [scrubbed:secret]\nHost: x"),
        (r"Cookie: a=b; c=d\r\nHost: x", r"Cookie: [scrubbed:secret]\r\nHost: x"),
        (r#"{"h":"Cookie: a=b; c=d"}"#, r#"{"h":"Cookie: [scrubbed:secret]"}"#),
        ("Set-Cookie: JSESSIONID=AB12; Path=/", "Set-Cookie: [scrubbed:secret]"),
        ("{session=[AB12], SESSION=AB12}", "{session=[[scrubbed:secret]], SESSION=[scrubbed:secret]}"),
        ("/list;jsessionid=AB12?page=2", "/list;jsessionid=[scrubbed:secret]"),
        ("with Bearer abc123def and", "with Bearer [scrubbed:bearer] and"),
        ("curl -H bearer\u{20}ya29.a0AfH6SMBx-_.", "curl -H bearer [scrubbed:bearer]."),
        ("sent Basic dXNlcjpwYXNz.", "sent Basic [scrubbed:bearer]."),
    ]);
    check_kept(&[
        "bearer token is missing",
        "Bearer authentication required",
        "basic validation failed",
        "Basic authentication is off",
        "a forbearer 12345678",
        "Cookie: null",
        "the cookie jar: full",
    ]);
}

#[test]
fn urls() {
    check(&[
        ("https://x.com/a?token=abc&b=c", "https://x.com/a?token=[scrubbed:secret]&b=c"),
        ("/a?b=c&access_token=abc", "/a?b=c&access_token=[scrubbed:secret]"),
        ("/cb#access_token=abc&state=1", "/cb#access_token=[scrubbed:secret]&state=1"),
        ("postgres://user:pw@host:5432/db", "postgres://user:[scrubbed:secret]@host:5432/db"),
        ("redis://:p@ss@host/0", "redis://:[scrubbed:secret]@host/0"),
        ("amqp://u:a/b#c@host/v", "amqp://u:[scrubbed:secret]@host/v"),
        (
            "jdbc:mysql://h:3306/db?user=a&password=b&x=y",
            "jdbc:mysql://h:3306/db?user=a&password=[scrubbed:secret]&x=y",
        ),
        ("s3://b/k?X-Amz-Credential=AK/x&X-Amz-Date=1", "s3://b/k?X-Amz-Credential=[scrubbed:secret]&X-Amz-Date=1"),
        ("https://ghp_abcdefghijklmnopqrst@github.com/a", "https://[scrubbed:secret]@github.com/a"),
        ("smtp://kim@x.com:pw@mail.x.com", "smtp://[scrubbed:email]:[scrubbed:secret]@mail.x.com"),
        ("/users/kim@x.com/orders", "/users/[scrubbed:email]/orders"),
        ("/users?mail=kim%40x.com&a=b", "/users?mail=[scrubbed:email]&a=b"),
    ]);
    check_kept(&[
        "ssh://deploy@git.example.com/repo",
        "http://host:8080/path?a=b@c",
        "https://github.com/foo/bar",
        "GET http://10.0.0.1:8080/users/1",
        "postgres://user:****@host/db",
    ]);
}

#[test]
fn keys_of_well_known_shape() {
    check(&[
        ("key AKIAIOSFODNN7EXAMPLE used", "key [scrubbed:secret] used"),
        ("ghp_abcdefghijklmnopqrstuvwxyz0123456789", "[scrubbed:secret]"),
        ("(github_pat_11ABCDEFG0abcdefghij_XYZ)", "([scrubbed:secret])"),
        ("xoxb-1234567890-abcdef", "[scrubbed:secret]"),
        ("stripe sk_live_4eC39HqLyjWDarjtT1zdp7dc", "stripe [scrubbed:secret]"),
        ("AIzaSyA1234567890abcdefghijklmnopqrstuvw", "[scrubbed:secret]"),
        ("sk-proj-abcdefghij0123456789_-x", "[scrubbed:secret]"),
        (
            "k:\n-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabc=\n-----END RSA PRIVATE KEY-----\nend",
            "k:\n[scrubbed:secret]\nend",
        ),
        ("-----BEGIN PRIVATE KEY-----\\nMIIE", "[scrubbed:secret]"),
        ("a eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl. Next", "a [scrubbed:jwt]. Next"),
        (r"\neyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.", r"\n[scrubbed:jwt]"),
        ("jwt_eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.", "jwt_[scrubbed:jwt]"),
        ("eyJhbGciOiJkaXIifQ..aXY.Y2lwaGVy.dGFn", "[scrubbed:jwt]"),
    ]);
    check_kept(&[
        "-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----",
        "BAKIAIOSFODNN7EXAMPLE",
        "sk_live_x task-force-sk-region",
        "https://eyJson.com/eyJ",
        "eyJhbGciOiJIUzI1NiJ9 alone",
        "eyJhbGciOiJIUzI1NiJ9.java",
    ]);
}

#[test]
fn numbers_of_people() {
    check(&[
        ("card 4111111111111111 declined", "card [scrubbed:card] declined"),
        ("4111-1111-1111-1111로 결제", "[scrubbed:card]로 결제"),
        ("4111 1111 1111 1111 200 ms", "[scrubbed:card] 200 ms"),
        ("amex 3782-822463-10005!", "amex [scrubbed:card]!"),
        ("5555555555554444,6011111111111117", "[scrubbed:card],[scrubbed:card]"),
        ("900101-1234567 님", "[scrubbed:resident] 님"),
        ("주민 900101-1234567은", "주민 [scrubbed:resident]은"),
        ("외국인 850315-5123456", "외국인 [scrubbed:resident]"),
        ("rrn 9001011234568", "rrn [scrubbed:resident]"),
        ("010-1234-5678로 전송", "[scrubbed:phone]로 전송"),
        ("tel:01012345678", "tel:[scrubbed:phone]"),
        ("(010.1234.5678)", "([scrubbed:phone])"),
        ("010 1234 5678", "[scrubbed:phone]"),
        ("011-123-4567", "[scrubbed:phone]"),
        ("+82-10-1234-5678", "[scrubbed:phone]"),
        ("+82 10 1234 5678 5 tries", "[scrubbed:phone] 5 tries"),
        ("+821012345678", "[scrubbed:phone]"),
        ("+82 (0)10-1234-5678", "[scrubbed:phone]"),
        ("02-123-4567, 031-1234-5678", "[scrubbed:phone], [scrubbed:phone]"),
        (r"to:\n01012345678\t4111111111111111", r"to:\n[scrubbed:phone]\t[scrubbed:card]"),
        ("user-01012345678", "user-[scrubbed:phone]"),
    ]);
    check_kept(&[
        "at 1735689600000 ms",
        "took 1735689600000000000 ns",
        "order 2024010112345678",
        "order 4111111111111112",
        "id 41111111111111111111111111111111",
        "x4111111111111111 4111111111111111x",
        "4111111111111111.25",
        "550e8400-e29b-41d4-a716-446655440000",
        "12345678-1234-1234-1234-123456789012",
        "2024-01-02T03:04:05.678+09:00",
        "2024-01-02 03:04:05,123",
        "10.0.0.1:8080",
        "v1.10.100-2000",
        "901301-1234567",
        "900132-1234567",
        "900101-9234567",
        "9001011234567",
        "1501012345678",
        "1-900101-1234567",
        "010-12-345678",
        "010-1234-56789",
        "1588-1234",
        "0x01012345678",
        "a01012345678",
        "3.01012345678",
        "02-2024-01-02",
        "line 12, column 4",
    ]);
}

#[test]
fn addresses() {
    check(&[
        ("a@b.co.kr에게", "[scrubbed:email]에게"),
        ("사용자kim.lee+x@mail.example.com입니다", "사용자[scrubbed:email]입니다"),
        ("<kim@x.com>, lee@y.io.", "<[scrubbed:email]>, [scrubbed:email]."),
        ("mailto:kim@163.com", "mailto:[scrubbed:email]"),
        (r"from\nkim@x.com", r"from\n[scrubbed:email]"),
        ("kim@x.com-old", "[scrubbed:email]-old"),
        ("(email)=(kim@x.com)", "(email)=([scrubbed:email])"),
        ("a@b.com,c@d.org;e@f.net", "[scrubbed:email],[scrubbed:email];[scrubbed:email]"),
    ]);
    check_kept(&[
        "pkg@v1.2.3",
        "react@18.2.0-rc.alpha",
        "github.com/gin-gonic/gin@v1.9.1/context.go:174",
        "golang.org/x/net@v0.0.0-20210101000000-abcdefabcdef/http2",
        "user@host",
        "Foo@1a2b3c4d",
        "com.acme.Foo@1a2b3c4d.wait",
        "lock <0x1> (a com.acme.Foo@6d06d69c). Next",
        "git@github.com:acme/shop.git",
        "load@app.js:10:5",
        "@Transactional(readOnly)",
        "a@.com a@-b.com @b.com",
        "100%40 done",
    ]);
}

fn check_kept(texts: &[&str]) {
    let rows: Vec<_> = texts.iter().map(|text| (*text, *text)).collect();
    check(&rows);
}
