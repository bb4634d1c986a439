package webhook

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/cache"
	webhookutil "k8s.io/apiserver/pkg/util/webhook"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	configv1alpha1 "github.com/seatrial/seatrial/api/config/v1alpha1"
)

const (
	// keptAnswers bounds the memory of answers, which are a few hundred bytes each but for statuses and patches.
	keptAnswers = 8192
	// answersCount is how long an answer counts again: webhooks may be replaced by others that know better.
	answersCount = 5 * time.Minute
)

// Outcomes of a question, as a Recorder is told them.
const (
	// Answered: the webhook answered.
	Answered = "answered"
	// Remembered: an earlier answer counts.
	Remembered = "remembered"
	// Refused: the webhook says that it cannot answer.
	Refused = "refused"
	// Failed: it cannot be reached, or makes no sense.
	Failed = "failed"
	// TimedOut: it did not answer in time.
	TimedOut = "timeout"
	// Resting: it is left alone, since it did not answer in time before.
	Resting = "resting"
)

// Recorder is told of every question. Its method is called by many at once, and must not wait.
type Recorder interface {
	// Asked tells which webhook was asked for what operation, how it ended, and how long it took.
	Asked(webhook, operation, outcome string, took time.Duration)
}

// Options say what a Client works with. All may be left out.
type Options struct {
	// Plane finds Services of type ExternalName, which stand in the control plane for webhooks elsewhere. Without it, and for
	// all other Services, their name in the DNS of the cluster counts.
	Plane client.Reader
	// Recorder is told of every question; nil for nobody.
	Recorder Recorder
	Clock    clock.PassiveClock
}

// Client asks webhooks. It is safe for concurrent use.
type Client struct {
	options Options
	hooks   webhookutil.ClientManager
	answers *cache.LRUExpireCache
	rests   rests
}

// NewClient fails only when the process is set up badly.
func NewClient(options Options) (*Client, error) {
	if options.Clock == nil {
		options.Clock = clock.RealClock{}
	}
	if options.Recorder == nil {
		options.Recorder = silent{}
	}
	hooks, err := webhookutil.NewClientManager([]schema.GroupVersion{configv1alpha1.GroupVersion}, configv1alpha1.AddToScheme)
	if err != nil {
		return nil, fmt.Errorf("preparing the client of interpreter webhooks: %w", err)
	}
	hooks.SetServiceResolver(resolver{plane: options.Plane})
	hooks.SetAuthenticationInfoResolver(anonymous{})
	if err := hooks.Validate(); err != nil {
		return nil, fmt.Errorf("preparing the client of interpreter webhooks: %w", err)
	}
	return &Client{
		options: options, hooks: hooks, answers: cache.NewLRUExpireCacheWithClock(keptAnswers, options.Clock),
		rests: rests{clock: options.Clock, after: map[string]*pause{}},
	}, nil
}

type silent struct{}

func (silent) Asked(string, string, string, time.Duration) {}

// ask puts a question to a webhook, unless it has answered it before.
func (c *Client) ask(ctx context.Context, hook *hook, question configv1alpha1.ResourceInterpreterRequest) (*configv1alpha1.ResourceInterpreterResponse, error) {
	began := c.options.Clock.Now()
	response, outcome, err := c.answer(ctx, hook, question)
	c.options.Recorder.Asked(hook.name, string(question.Operation), outcome, c.options.Clock.Since(began))
	if err != nil {
		return nil, fmt.Errorf("asking webhook %s for %s: %w", hook.name, question.Operation, err)
	}
	// What is remembered must outlive those who write answers into objects.
	return response.DeepCopy(), nil
}

// answer also tells the outcome. The response is shared with later questions.
func (c *Client) answer(ctx context.Context, hook *hook, question configv1alpha1.ResourceInterpreterRequest) (*configv1alpha1.ResourceInterpreterResponse, string, error) {
	key, err := identity(hook, question)
	if err != nil {
		return nil, Failed, err
	}
	if known, ok := c.answers.Get(key); ok {
		return known.(*configv1alpha1.ResourceInterpreterResponse), Remembered, nil
	}
	if err := c.rests.enter(hook); err != nil {
		return nil, Resting, err
	}
	question.UID = types.UID(uuid.NewString())
	limited, cancel := context.WithTimeout(ctx, hook.timeout)
	defer cancel()
	response, err := c.call(limited, hook, question)
	if err != nil && ctx.Err() == nil && errors.Is(limited.Err(), context.DeadlineExceeded) {
		c.rests.begin(hook)
		return nil, TimedOut, unanswered(hook)
	}
	if ctx.Err() == nil {
		c.rests.end(hook)
	}
	if err != nil {
		return nil, Failed, err
	}
	if err := check(question, response); err != nil {
		outcome := Failed
		if response != nil && !response.Successful {
			outcome = Refused
		}
		return nil, outcome, err
	}
	c.answers.Add(key, response, answersCount)
	return response, Answered, nil
}

// identity is that of a question to a webhook: the same content gets the same answer. Who asks, and when, does not matter.
func identity(hook *hook, question configv1alpha1.ResourceInterpreterRequest) ([sha256.Size]byte, error) {
	encoded, err := json.Marshal(question)
	if err != nil {
		return [sha256.Size]byte{}, fmt.Errorf("encoding the question: %w", err)
	}
	return sha256.Sum256(append(append([]byte(hook.identity), 0), encoded...)), nil
}

// call sends one question over the network.
func (c *Client) call(ctx context.Context, hook *hook, question configv1alpha1.ResourceInterpreterRequest) (*configv1alpha1.ResourceInterpreterResponse, error) {
	message := &configv1alpha1.ResourceInterpreterContext{Request: &question}
	message.SetGroupVersionKind(contextKind)
	body, err := json.Marshal(message)
	if err != nil {
		return nil, fmt.Errorf("encoding the question: %w", err)
	}
	way, err := c.hooks.HookClient(hook.way)
	if err != nil {
		return nil, err
	}
	answer, err := way.Post().SetHeader("Content-Type", runtime.ContentTypeJSON).SetHeader("Accept", runtime.ContentTypeJSON).
		MaxRetries(0).Body(body).Do(ctx).Raw()
	if err != nil {
		return nil, err
	}
	answered := &configv1alpha1.ResourceInterpreterContext{}
	if err := json.Unmarshal(answer, answered); err != nil {
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	if kind := answered.GroupVersionKind(); kind != contextKind {
		return nil, fmt.Errorf("the answer is a %s, want a %s", kind, contextKind)
	}
	return answered.Response, nil
}

var contextKind = configv1alpha1.GroupVersion.WithKind("ResourceInterpreterContext")

// anonymous shows webhooks no credentials. It bounds what they may answer with.
type anonymous struct{}

func (anonymous) ClientConfigFor(string) (*rest.Config, error) {
	return &rest.Config{WrapTransport: func(next http.RoundTripper) http.RoundTripper { return bounded{next} }}, nil
}

func (a anonymous) ClientConfigForService(string, string, int) (*rest.Config, error) {
	return a.ClientConfigFor("")
}
