package secret

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestSecretNeverShowsItself(t *testing.T) {
	type credentials struct {
		User     string
		Password Text
		Nested   *Text
		hidden   Text
	}
	s := New("hunter2")
	c := credentials{"admin", s, &s, s}
	j, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("login", "password", s, "all", c)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("login", "password", s, "all", c)
	for _, shown := range []string{string(j), log.String(), fmt.Sprint(c), fmt.Sprintf("%v %+v %#v %s %q %x", s, c, s, s, s, s), fmt.Errorf("x: %v", s).Error()} {
		if strings.Contains(shown, "hunter2") || strings.Contains(shown, "68756e74") {
			t.Errorf("shown: %s", shown)
		}
	}
	if s.Reveal() != "hunter2" || s.Empty() || !New("").Empty() {
		t.Error("the secret itself is lost")
	}
}
