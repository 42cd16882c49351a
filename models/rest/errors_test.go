package rest

import (
	"errors"
	"net/http"
	"testing"
	"time"
)

func TestErrorsOfBothAPIsAreTold(t *testing.T) {
	for body, want := range map[string]string{
		`{"type":"https://errors.example/v2/not-found.html","title":"Not found"}`:                        `GET /ports: 404 Not Found (not-found): "Not found"`,
		`[{"errorCode":"EQ-3040019","errorMessage":"No such port","details":"it was deleted"}]`:          `GET /ports: 404 Not Found (EQ-3040019): "No such port": "it was deleted"`,
		`[{"errorCode":"EQ-3040019","errorMessage":"No such port","additionalInfo":[{"property":"x"}]}]`: `GET /ports: 404 Not Found (EQ-3040019): "No such port"`,
		`[]`:        `GET /ports: 404 Not Found`,
		`nobody`:    `GET /ports: 404 Not Found: "nobody"`,
		`["a", {}]`: `GET /ports: 404 Not Found`,
	} {
		err := NewProblem(http.MethodGet, "/ports", http.StatusNotFound, http.Header{}, []byte(body), time.Now())
		if err.Error() != want || !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: %v, want %s", body, err, want)
		}
	}
}
