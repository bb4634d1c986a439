package local

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"
)

const redraw = 100 * time.Millisecond

// Progress tells a person what is going on: on a terminal one line a step whose time runs, elsewhere a line when a step has ended.
type Progress struct {
	out      io.Writer
	terminal bool
	now      func() time.Time

	mu     sync.Mutex
	step   string
	detail string
	began  time.Time
}

// NewProgress writes to out.
func NewProgress(out io.Writer) *Progress {
	file, ok := out.(*os.File)
	return &Progress{out: out, terminal: ok && term.IsTerminal(int(file.Fd())), now: time.Now}
}

// Step runs a step under a name. What the step says is shown beside its name while it runs, on a terminal.
func (p *Progress) Step(name string, do func(say func(string)) error) error {
	p.mu.Lock()
	p.step, p.detail, p.began = name, "", p.now()
	p.mu.Unlock()
	stop := p.animate()
	err := do(func(detail string) {
		p.mu.Lock()
		p.detail = detail
		p.mu.Unlock()
	})
	stop()
	p.mu.Lock()
	defer p.mu.Unlock()
	mark := "✓"
	if err != nil {
		mark = "✗"
	}
	if p.terminal {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
	fmt.Fprintf(p.out, "%s %s (%s)\n", mark, name, p.elapsed())
	return err
}

// Write lets a step print lines of its own above its line.
func (p *Progress) Write(text []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.terminal {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
	return p.out.Write(text)
}

func (p *Progress) elapsed() string {
	return fmt.Sprintf("%.1fs", p.now().Sub(p.began).Seconds())
}

// animate keeps the running step's line up to date until the returned function is called.
func (p *Progress) animate() (stop func()) {
	if !p.terminal {
		return func() {}
	}
	quit, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(redraw)
		defer tick.Stop()
		for {
			p.draw()
			select {
			case <-tick.C:
			case <-quit:
				return
			}
		}
	}()
	return func() {
		close(quit)
		<-ended
	}
}

func (p *Progress) draw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	line := fmt.Sprintf("… %s (%s)", p.step, p.elapsed())
	if p.detail != "" {
		line += ": " + p.detail
	}
	fmt.Fprintf(p.out, "\r\x1b[K%s", clip(line, p.width()))
}

// width is that of the terminal; a longer line would wrap, and only its last part be drawn over.
func (p *Progress) width() int {
	if file, ok := p.out.(*os.File); ok {
		if width, _, err := term.GetSize(int(file.Fd())); err == nil && width > 0 {
			return width
		}
	}
	return 80
}

// clip shortens a line to fewer characters than the width.
func clip(line string, width int) string {
	characters := []rune(line)
	if len(characters) < width || width < 2 {
		return line
	}
	return string(characters[:width-2]) + "…"
}
