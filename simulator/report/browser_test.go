package report

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"html"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// probe is added to a page: it uses what can be used, and writes what it finds into the document.
const probe = `<script>
const errors = [];
addEventListener("error", (event) => errors.push(event.message));
addEventListener("securitypolicyviolation", (event) => errors.push("blocked " + event.blockedURI));
setTimeout(() => {
  const chart = document.querySelector(".chart svg"), tip = document.getElementById("tip"), box = chart.getBoundingClientRect();
  const style = () => getComputedStyle(document.body).backgroundColor;
  const before = style();
  document.getElementById("theme").click();
  const after = style();
  chart.focus();
  chart.dispatchEvent(new KeyboardEvent("keydown", { key: "PageDown" }));
  const byKey = tip.style.display + " " + tip.textContent;
  chart.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape" }));
  chart.dispatchEvent(new PointerEvent("pointermove", { clientX: box.left + box.width / 2, clientY: box.top + 50 }));
  const byPointer = tip.style.display + " " + tip.textContent;
  document.querySelector(".objective button").click();
  document.querySelector(".link").click();
  const found = {
    errors, byKey, byPointer, themes: before !== after,
    charts: document.querySelectorAll(".chart svg").length, objectives: document.querySelectorAll(".objective").length,
    rows: document.querySelectorAll("tbody tr").length, width: document.documentElement.scrollWidth, window: innerWidth,
    tipInside: tip.getBoundingClientRect().right <= innerWidth && tip.getBoundingClientRect().left >= 0,
    bad: [...document.querySelectorAll("path")].filter((path) => /NaN|undefined|Infinity/.test(path.getAttribute("d"))).length,
    requests: performance.getEntriesByType("resource").length,
  };
  parent.postMessage(JSON.stringify(found), "*");
}, 200);
</script>`

// frame shows a page in a given width, for a headless window is never as narrow as a phone, and keeps what the probe tells.
const frame = `<!doctype html><body><script>
addEventListener("message", (event) => document.body.replaceChildren(Object.assign(document.createElement("pre"), { id: "found", textContent: event.data })));
</script><iframe width="%d" height="900" style="border:0" srcdoc="%s"></iframe></body>`

type probed struct {
	Errors                        []string
	ByKey, ByPointer              string
	Themes, TipInside             bool
	Charts, Objectives, Rows, Bad int
	Width, Window, Requests       int
}

// TestBrowser opens pages in the Chromium that CHROMIUM names, on a laptop and on a phone.
func TestBrowser(t *testing.T) {
	chromium := os.Getenv("CHROMIUM")
	if chromium == "" {
		t.Skip("CHROMIUM is not set")
	}
	for name, runs := range map[string][]Run{
		"large":   {{"seed 1", largeRun(1)}},
		"small":   {{"seed 1", smallRun(1)}},
		"several": {{"one", largeRun(1)}, {"two", smallRun(2)}},
	} {
		for _, width := range []int{1400, 390} {
			t.Run(name+" "+strconv.Itoa(width), func(t *testing.T) {
				found := open(t, chromium, width, runs)
				if len(found.Errors) > 0 || found.Requests > 0 || found.Bad > 0 {
					t.Errorf("errors %q, %d requests, %d broken paths", found.Errors, found.Requests, found.Bad)
				}
				if found.Width > found.Window || found.Window != width {
					t.Errorf("the page is %d wide in a window of %d", found.Width, found.Window)
				}
				if found.Charts < 4 || found.Objectives != len(runs[0].Objectives) || found.Rows < 4 {
					t.Errorf("%d charts, %d objectives, %d rows", found.Charts, found.Objectives, found.Rows)
				}
				if !strings.HasPrefix(found.ByKey, "block ") || !strings.HasPrefix(found.ByPointer, "block ") || found.ByKey == found.ByPointer || !found.TipInside {
					t.Errorf("details by key %q, by pointer %q, within the window: %v", found.ByKey, found.ByPointer, found.TipInside)
				}
				if !found.Themes {
					t.Error("light and dark are the same")
				}
			})
		}
	}
}

func open(t *testing.T, chromium string, width int, runs []Run) probed {
	t.Helper()
	var page bytes.Buffer
	if err := HTML(&page, runs, nil); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "page.html")
	probing := strings.Replace(page.String(), "<main>", probe+"<main>", 1)
	if err := os.WriteFile(file, fmt.Appendf(nil, frame, width, html.EscapeString(probing)), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
		"--disable-dev-shm-usage", "--user-data-dir="+filepath.Join(dir, "profile"), "--window-size=1500,1000",
		"--virtual-time-budget=3000", "--dump-dom", "file://"+file)
	out, err := command.Output()
	if err != nil {
		t.Fatalf("running %s: %v", chromium, err)
	}
	told := regexp.MustCompile(`(?s)<pre id="found">(.*?)</pre>`).FindSubmatch(out)
	if told == nil {
		t.Fatal("the page did not come to the end of its script")
	}
	var found probed
	if err := json.Unmarshal([]byte(html.UnescapeString(string(told[1]))), &found); err != nil {
		t.Fatal(err)
	}
	return found
}
