package store

import (
	"encoding/json"
	"fmt"
	"math/rand"
	"reflect"
	"sort"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/randfill"
)

// extension has what builtin kinds lack: raw content.
type extension struct {
	Raw  runtime.RawExtension            `json:"raw"`
	Map  map[string]runtime.RawExtension `json:"map,omitempty"`
	When map[string]metav1.Time          `json:"when,omitempty"`
	Self []extension                     `json:"self,omitempty"`
}

func filler(seed int64) *randfill.Filler {
	return randfill.NewWithSeed(seed).NilChance(0.3).NumElements(0, 2).MaxDepth(8).Funcs(
		func(t *metav1.Time, c randfill.Continue) {
			if c.Bool() {
				t.Time = time.Unix(c.Int63n(1<<31), c.Int63n(1e9))
			}
		},
		func(t *metav1.MicroTime, c randfill.Continue) { t.Time = time.Unix(c.Int63n(1<<31), c.Int63n(1e9)) },
		func(q *resource.Quantity, c randfill.Continue) {
			*q = resource.MustParse([]string{"1000m", "1024Mi", "0", "1.5", "100u", "1e3", "-3"}[c.Intn(7)])
		},
		func(v *intstr.IntOrString, c randfill.Continue) { *v = intstr.FromInt32(c.Int31n(100)) },
		func(r *runtime.RawExtension, c randfill.Continue) {
			r.Raw = [][]byte{nil, []byte(`{"b": 1, "a": [2.50, null]}`), []byte(`{}`)}[c.Intn(3)]
		},
		func(f *[]metav1.ManagedFieldsEntry, _ randfill.Continue) { *f = nil },
		func(s *string, c randfill.Continue) { *s = fmt.Sprintf("s%d", c.Intn(9)) },
	)
}

// TestCanonicaliseEqualsATripThroughJSON compares typed objects brought into canonical form with the same objects
// encoded and decoded.
func TestCanonicaliseEqualsATripThroughJSON(t *testing.T) {
	settler := &settlers{byType: map[reflect.Type]settle{}}
	for seed := range int64(300) {
		for _, object := range []any{
			&appsv1.Deployment{}, &corev1.Pod{}, &corev1.Node{}, &corev1.Event{}, &batchv1.Job{}, &corev1.Secret{}, &extension{},
		} {
			filler(seed).Fill(object)
			encoded, err := json.Marshal(object)
			if err != nil {
				t.Fatal(err)
			}
			travelled := reflect.New(reflect.TypeOf(object).Elem()).Interface()
			if err := json.Unmarshal(encoded, travelled); err != nil {
				t.Fatal(err)
			}
			settler.canonicalise(object)
			got, err := json.Marshal(object)
			if err != nil {
				t.Fatal(err)
			}
			if encoded, err = json.Marshal(travelled); err != nil {
				t.Fatal(err)
			}
			// Raw content is spelled canonically, which a plain trip does not do.
			want, err := sortedJSON(encoded)
			if err != nil {
				t.Fatal(err)
			}
			if sorted, _ := sortedJSON(got); string(sorted) != string(want) {
				t.Fatalf("seed %d, %T: canonical form\n%s\nafter a trip\n%s", seed, object, sorted, want)
			}
			if _, raw := object.(*extension); !raw && !apiequality.Semantic.DeepEqual(object, travelled) {
				t.Fatalf("seed %d: %T differs from what a trip gives", seed, object)
			}
			settler.canonicalise(object)
			if again, _ := json.Marshal(object); string(again) != string(got) {
				t.Fatalf("seed %d, %T: a second time changes it", seed, object)
			}
		}
	}
}

func TestCanonicaliseDropsEmptyAndFractions(t *testing.T) {
	settler := &settlers{byType: map[reflect.Type]settle{}}
	pod := &corev1.Pod{}
	pod.Labels = map[string]string{}
	pod.Finalizers = []string{}
	pod.Spec.Tolerations = []corev1.Toleration{}
	pod.CreationTimestamp = metav1.NewTime(time.Date(2026, 1, 1, 0, 0, 0, 999, time.UTC))
	settler.canonicalise(pod)
	if pod.Labels != nil || pod.Finalizers != nil || pod.Spec.Tolerations != nil || pod.CreationTimestamp.Nanosecond() != 0 {
		t.Errorf("not canonical: %+v", pod.ObjectMeta)
	}
}

func TestCanonicalTreeNumbers(t *testing.T) {
	got := canonicalTree(map[string]any{
		"int": 1, "uint8": uint8(2), "float": 2.5, "integral": 3.0, "big": 1e300, "list": []any{int32(4), nil, "s", true},
		"strings": []string{"a"},
	})
	want := map[string]any{
		"int": int64(1), "uint8": int64(2), "float": 2.5, "integral": int64(3), "big": 1e300,
		"list": []any{int64(4), nil, "s", true}, "strings": []any{"a"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %#v, want %#v", got, want)
	}
}

// TestKeysSortAsEtcdSorts compares the order of keys with the order of the strings etcd would hold.
func TestKeysSortAsEtcdSorts(t *testing.T) {
	random := rand.New(rand.NewSource(1))
	word := func() string {
		letters := "a-0.z"
		text := make([]byte, 1+random.Intn(3))
		for i := range text {
			text[i] = letters[random.Intn(len(letters))]
		}
		return string(text)
	}
	var keys []types.NamespacedName
	for range 2000 {
		keys = append(keys, types.NamespacedName{Namespace: word(), Name: word()})
	}
	sort.Slice(keys, func(i, j int) bool { return compareKeys(keys[i], keys[j]) < 0 })
	for i := 1; i < len(keys); i++ {
		a, b := keys[i-1], keys[i]
		if a.Namespace+"/"+a.Name > b.Namespace+"/"+b.Name {
			t.Fatalf("%s before %s", a, b)
		}
		if (compareKeys(a, b) == 0) != (a == b) {
			t.Fatalf("%s and %s compare as %d", a, b, compareKeys(a, b))
		}
	}
}

func FuzzContinueTokens(f *testing.F) {
	f.Add(formatContinue(continuation{Revision: 7, Namespace: "n", Name: "a"}))
	f.Add("")
	f.Add("bm9uc2Vuc2U")
	f.Fuzz(func(t *testing.T, text string) {
		token, err := parseContinue(text)
		if err != nil {
			return
		}
		again, err := parseContinue(formatContinue(token))
		if err != nil || again != token {
			t.Errorf("%q parses to %+v, and its own form to %+v, %v", text, token, again, err)
		}
	})
}
