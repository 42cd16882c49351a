package ixapi

import (
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

const schemaFile = "../../../shared/reference/ixapi-openapi-2.1.0.json"

// loadSchema reads the official schema of IX-API 2.1.0.
func loadSchema(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromFile(schemaFile)
	switch {
	case err == nil:
		return doc
	case !errors.Is(err, fs.ErrNotExist):
		t.Fatal(err)
	case os.Getenv("IXAGENT_REQUIRE") == "all":
		t.Fatalf("IXAGENT_REQUIRE=all, but there is no schema: %v", err)
	}
	t.Skipf("SKIPPED: the fixtures are not checked without the schema: %v", err)
	return nil
}

func TestFixturesFollowTheOfficialSchema(t *testing.T) {
	doc := loadSchema(t)
	for _, c := range Collections() {
		t.Run(string(c), func(t *testing.T) {
			body, err := os.ReadFile(filepath.Join("testdata", string(c)+".json"))
			if err != nil {
				t.Fatal(err)
			}
			var value any
			if err := json.Unmarshal(body, &value); err != nil {
				t.Fatal(err)
			}
			schema := doc.Paths.Find("/" + string(c)).Get.Responses.Status(http.StatusOK).Value.Content.Get("application/json").Schema.Value
			if err := schema.VisitJSON(value, openapi3.MultiErrors(), openapi3.EnableFormatValidation()); err != nil {
				t.Error(err)
			}
			value.([]any)[0].(map[string]any)["id"] = 7
			if err := schema.VisitJSON(value); err == nil {
				t.Error("the schema accepts a number as an id")
			}
		})
	}
}
