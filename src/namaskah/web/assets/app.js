/* The pages work without this: it makes an order live, copies, counts down, stops double taps. */
(() => {
  const doc = document, byId = (id) => doc.getElementById(id), all = (q) => doc.querySelectorAll(q);
  const live = byId("live"), say = byId("say"), lost = byId("lost");
  let source, asking, again, listening = true;

  // Buttons that need a script, the visitor's own time, the deadlines.
  const dress = () => {
    all("[data-copy]").forEach((b) => { b.hidden = false; });
    all("time").forEach((t) => {
      t.textContent = new Date(t.dateTime).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
    });
    all("[data-left]").forEach((e) => { e.until = Date.now() + e.dataset.left * 1000; });
  };

  const tick = () => {
    all("[data-left]").forEach((e) => {
      const s = Math.max(0, Math.ceil((e.until - Date.now()) / 1000));
      e.textContent = Math.floor(s / 60) + ":" + String(s % 60).padStart(2, "0");
      if (!s && !e.over) { e.over = true; setTimeout(refresh, 300); }
    });
  };

  const swap = (html) => {
    const next = new DOMParser().parseFromString(html, "text/html").body.firstElementChild;
    const now = live.firstElementChild;
    if (!next || !next.dataset.stamp) return;
    const news = next.dataset.stamp !== now.dataset.stamp;
    const report = byId("report"), typing = report && report.open;
    if (!news && typing) return;
    const focused = doc.activeElement && doc.activeElement.id;
    now.replaceWith(next);
    if (typing && byId("report")) byId("report").replaceWith(report);
    dress();
    if (focused && byId(focused)) byId(focused).focus({ preventScroll: true });
    listening = next.hasAttribute("data-listen");
    if (!news) return;
    doc.title = next.dataset.title;
    say.textContent = next.dataset.say;
    if (byId("code") && navigator.vibrate) navigator.vibrate(120);
  };

  // One at a time. What comes up meanwhile is asked once more.
  const refresh = async () => {
    if (!live) return;
    if (asking) { again = true; return; }
    asking = true;
    try {
      const answer = await fetch(location.pathname + "?part=live");
      if (answer.redirected || answer.status === 404) location.reload();
      else if (answer.ok) swap(await answer.text());
      else throw 0;
      lost.hidden = true;
    } catch {
      lost.hidden = false;
      setTimeout(refresh, 2000);
    }
    asking = false;
    if (again) { again = false; refresh(); }
  };

  const listen = () => {
    if (!live || !listening) return;
    source = new EventSource(live.dataset.events);
    source.onopen = refresh;
    for (const kind of ["pending", "code_received", "message_received", "late_message", "cancelled", "expired", "failed", "finished"])
      source.addEventListener("verification." + kind, refresh);
    source.onerror = () => {
      lost.hidden = false;
      if (source.readyState === EventSource.CLOSED) setTimeout(listen, 3000);
    };
  };

  const copy = async (button) => {
    const from = byId(button.dataset.copy), text = from.dataset.plain || from.textContent;
    try { await navigator.clipboard.writeText(text); } catch {
      getSelection().selectAllChildren(from);
      if (!doc.execCommand("copy")) return;
    }
    const label = button.textContent;
    button.textContent = say.textContent = "Copied";
    setTimeout(() => { button.textContent = label; }, 1500);
  };

  doc.onclick = (e) => {
    const button = e.target.closest("[data-copy]");
    if (button) copy(button);
  };
  doc.onsubmit = (e) => {
    if (!e.target.matches("[data-once]")) return;
    if (e.target.sent) e.preventDefault();
    e.target.sent = true;
    e.target.querySelector("button").ariaBusy = "true";
  };
  addEventListener("pageshow", (e) => {
    all("[data-once]").forEach((f) => { f.sent = false; f.querySelector("button").ariaBusy = null; });
    if (e.persisted) refresh();
  });
  doc.onvisibilitychange = () => { if (!doc.hidden) refresh(); };

  dress();
  tick();
  setInterval(tick, 500);
  listen();
})();
