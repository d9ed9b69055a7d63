//! Korean: labels are nouns, sentences end in 합니다; 에러 and 알림, not 오류 and 알람.

use super::super::figures::thousands;
use super::{Decision, Digest, Ended, Resolved, Verdict, Words, span_in};
use crate::alert::{Health, Store};
use crate::issue::Press;

pub(super) const WORDS: Words = Words {
    category: "예외 구분",
    request: "요청",
    thrown_at: "예외 발생 위치",
    wrapped_in: "감싼 예외",
    occurrences: "발생",
    first_seen: "최초 발생",
    last_seen: "마지막 발생",
    window_opened: "구간 시작",
    window_ends: "구간 종료",
    release: "배포 버전",
    server: "서버",
    servers: "서버",
    owner: "담당",
    trace_id: "추적 ID",
    level: "심각도",
    alerts_sent: "알림",
    held_back: "억제",
    busiest_minute: "분당 최대",
    details: "상세 보기",
    new: "신규",
    known: "기존 에러, 새 제한 구간",
    still_occurring: "아직 발생 중",
    quiet: "진정됨",
    environment,
    times: |n| format!("{}건", thousands(n)),
    in_all: |n| format!("누적 {}건", thousands(n)),
    span: |span| span_in(["일", "시간", "분", "초"], span),
    again: |so_far| format!("같은 에러 반복 발생 · 지금까지 {}건", thousands(so_far)),
    last_of_window: |ends| format!("이번 구간의 마지막 알림입니다. {ends}까지 같은 에러는 알림 없이 집계합니다."),
    regression,
    window_ended,
    window_over: "제한 구간 종료",
    decided,
    press,
    modules: "모듈",
    in_modules: |n| format!("모듈 {}개", thousands(n)),
    one_cause: |spread, told, first, at| {
        let (modules, errors) = (thousands(spread.modules), thousands(spread.errors));
        let told = if told < spread.errors { format!("(이번 알림 {}종)", thousands(told)) } else { String::new() };
        format!("같은 원인으로 모듈 {modules}개에서 에러 {errors}종{told} 발생 · 최초 {first} {at}")
    },
    at_once: |digest| {
        let new = if digest.new == digest.errors { "신규 " } else { "" };
        format!("{new}에러 {}종 동시 발생", thousands(digest.errors))
    },
    told_together,
    windows_ended: |n, ongoing| match ongoing {
        0 => format!("에러 {}종 진정됨", thousands(n)),
        _ if ongoing == n => format!("에러 {}종 아직 발생 중", thousands(n)),
        _ => format!("에러 {}종 아직 발생 중, {}종 진정됨", thousands(ongoing), thousands(n - ongoing)),
    },
    and_more: |n| format!("… 외 {}종", thousands(n)),
    away_for: "중단 시간",
    instead_of: "대신 알림",
    fails,
    health,
    stopped,
    works: "bongsu가 스스로 보내는 점검 에러가 수신부터 채널까지 다시 전달됩니다.",
    canary: "알림이 도착하는지 확인하려고 bongsu가 스스로 보내는 점검 에러입니다.",
    said: "응답",
    decides,
};

fn told_together(digest: &Digest) -> String {
    let mut told = format!("알림이 몰려 묶어서 보냅니다 · 모듈 {}개", thousands(digest.modules));
    for (n, what) in [(digest.new, "신규"), (digest.regressions, "재발")] {
        if n > 0 {
            told += &format!(" · {what} {}종", thousands(n));
        }
    }
    told
}

fn health(Health { store, away }: Health) -> &'static str {
    match (store, away) {
        (Store::Cache, true) => "캐시에 연결할 수 없습니다",
        (Store::Cache, false) => "캐시가 복구되었습니다",
        (Store::Archive, true) => "아카이브에 연결할 수 없습니다",
        (Store::Archive, false) => "아카이브가 복구되었습니다",
        (Store::Way, true) => "알림이 도착하지 않을 수 있습니다",
        (Store::Way, false) => "알림이 다시 도착합니다",
        (Store::Canary, _) => "점검",
    }
}

fn stopped(at: &str) -> &'static str {
    match at {
        "door" => {
            "bongsu가 스스로 보낸 점검 에러를 자신의 수신부가 받지 못했습니다. 서비스가 보내는 에러도 받지 못하고 있을 수 있습니다."
        }
        "gate" => "bongsu가 스스로 보낸 점검 에러가 집계되었지만 알림이 승인되지 않았습니다.",
        "outbox" => "bongsu가 스스로 보낸 점검 에러의 알림이 발송 대기 중이며, 발송하는 서버가 없습니다.",
        "channel" => "bongsu가 스스로 보낸 점검 에러의 알림이 채널에 전달되지 않습니다.",
        _ => "bongsu가 스스로 보낸 점검 에러가 어떻게 되었는지 확인할 수 없습니다.",
    }
}

fn decides(who: &str) -> &'static str {
    match who {
        "archive" => "그동안 아카이브가 집계하고 판단합니다. 알림은 평소와 같이, 에러마다 정해진 횟수까지만 나갑니다.",
        "cache" => {
            "그동안 캐시가 집계하고 판단합니다. 알림은 계속 나가며, 메모리에 두었다가 아카이브가 복구되면 기록합니다."
        }
        "memory" => {
            "캐시와 아카이브 모두 응답하지 않아 서버마다 자기 메모리로 판단합니다. 같은 에러가 서버마다 한 번 더 알림될 수 있습니다."
        }
        _ => "캐시와 아카이브를 모두 다시 사용합니다.",
    }
}

fn environment(name: &str) -> String {
    const NAMES: [(&str, &str); 7] = [
        ("prod", "운영"),
        ("production", "운영"),
        ("staging", "스테이징"),
        ("stage", "스테이징"),
        ("stg", "스테이징"),
        ("dev", "개발"),
        ("development", "개발"),
    ];
    NAMES.iter().find(|(en, _)| en.eq_ignore_ascii_case(name)).map_or(name, |(_, ko)| ko).to_owned()
}

fn regression(resolved: &Resolved) -> String {
    let at = resolved.at.as_deref().map(|at| format!("{at} ")).unwrap_or_default();
    let by = if resolved.by.is_empty() { String::new() } else { format!("{} 님이 ", resolved.by) };
    let note =
        if resolved.note.is_empty() { String::new() } else { format!(" 지난 해결 메모: \"{}\"", resolved.note) };
    format!("재발 · {at}{by}해결 처리한 에러가 다시 발생했습니다.{note}")
}

fn fails(channel: &str, since: &str, error: &str) -> String {
    let why = if error.is_empty() { String::new() } else { format!(": {error}") };
    format!("{channel} 채널이 {since}부터 실패{why}")
}

fn window_ended(ended: &Ended) -> String {
    let Ended { span, last_seen, .. } = ended;
    let [occurrences, alerts, suppressed] = [ended.occurrences, ended.alerts, ended.suppressed].map(thousands);
    let counts = format!("{span} 동안 {occurrences}건(알림 {alerts}건, 억제 {suppressed}건)");
    match ended.ongoing {
        true => format!("제한 구간 종료 · {counts} · 아직 발생 중 · 다음 구간 시작"),
        false => format!("제한 구간 종료 · {counts} · 마지막 발생 {last_seen}, 이후 0건"),
    }
}

fn decided(Decision { at, by, what }: &Decision) -> String {
    let what = match what {
        Verdict::Acknowledged => "확인 처리했습니다".to_owned(),
        Verdict::Muted(Some(until), _) => format!("{until}까지 알림을 껐습니다"),
        Verdict::Muted(None, Some(more)) => format!("{}건 더 발생할 때까지 알림을 껐습니다", thousands(*more)),
        Verdict::Muted(None, None) => "알림을 껐습니다".to_owned(),
        Verdict::Resolved => "해결 처리했습니다".to_owned(),
    };
    let by = if by.is_empty() { String::new() } else { format!("{by} 님이 ") };
    let at = at.as_deref().map(|at| format!(" · {at}")).unwrap_or_default();
    format!("{by}{what}{at}")
}

fn press(press: Press) -> &'static str {
    match press {
        Press::Acknowledge => "확인",
        Press::MuteHour => "1시간 알림 끄기",
        Press::MuteHundred => "100건 더 발생할 때까지 끄기",
        Press::Resolve => "해결",
        Press::Reopen => "다시 열기",
    }
}
