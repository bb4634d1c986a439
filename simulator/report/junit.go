package report

import (
	"encoding/xml"
	"fmt"
	"io"
)

type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name      string      `xml:"name,attr"`
	Tests     int         `xml:"tests,attr"`
	Failures  int         `xml:"failures,attr"`
	Time      string      `xml:"time,attr"`
	Timestamp string      `xml:"timestamp,attr"`
	Cases     []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	Failure *junitFailure `xml:"failure,omitempty"`
}

type junitFailure struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",chardata"`
}

// JUnit writes runs as test suites: each objective and each violated invariant is a case, and that a run was ended before its time.
func JUnit(w io.Writer, runs []Run) error {
	all := junitSuites{}
	for i := range runs {
		suite := runs[i].junit()
		all.Tests += suite.Tests
		all.Failures += suite.Failures
		all.Suites = append(all.Suites, suite)
	}
	content, err := xml.MarshalIndent(all, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding test results: %w", err)
	}
	return write(w, xml.Header+string(content)+"\n")
}

func (r *Run) junit() junitSuite {
	suite := junitSuite{
		Name: fmt.Sprintf("%s seed %d", r.Name, r.Seed), Time: fmt.Sprintf("%.3f", r.Duration), Timestamp: r.Start.Format("2006-01-02T15:04:05"),
	}
	for i := range r.Objectives {
		o := &r.Objectives[i]
		test := junitCase{Class: r.Scenario, Name: o.Name}
		if o.Breach != nil {
			message := fmt.Sprintf("%s is %s, not %s", o.Measure, o.Measured(), o.Bound())
			test.Failure = &junitFailure{Message: message, Type: string(o.Measure), Text: "broken " + o.Breach.Why()}
		}
		suite.Cases = append(suite.Cases, test)
	}
	for _, v := range r.Violations {
		suite.Cases = append(suite.Cases, junitCase{Class: r.Scenario, Name: "invariant " + v.Invariant, Failure: &junitFailure{
			Message: v.Text, Type: string(Invariant), Text: "violated at " + span(v.At),
		}})
	}
	if r.Partial {
		suite.Cases = append(suite.Cases, junitCase{Class: r.Scenario, Name: "played to its end", Failure: &junitFailure{
			Message: "partial: ended before its time", Type: "Partial", Text: "ended at " + span(r.Duration),
		}})
	}
	for _, test := range suite.Cases {
		suite.Tests++
		if test.Failure != nil {
			suite.Failures++
		}
	}
	return suite
}
