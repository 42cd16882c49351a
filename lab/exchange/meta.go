package exchange

import (
	"net/http"
	"slices"
)

// schemaVersion is the version of IX-API whose fields and parameters are served.
const schemaVersion = "2.7.1"

// meta answers what a client may ask before it logs in.
func (s *Server) meta(w http.ResponseWriter, r *http.Request, what string) {
	switch what {
	case "health":
		// Clients read the version as an integer.
		answer(w, http.StatusOK, recordMediaType, map[string]string{
			"status": "pass", "version": "2", "releaseId": schemaVersion, "serviceId": "ixagent-lab-exchange", "description": "sandbox exchange",
		})
	case "extensions":
		answer(w, http.StatusOK, recordMediaType, []any{})
	default:
		operations := []string{"auth_token_create", "auth_token_refresh", "api_health_read", "api_implementation_read", "api_extensions_list", "account_read"}
		for name, c := range s.collections {
			operations = append(operations, c.operation+"_list", c.operation+"_read")
			res := s.resources[name]
			if res == nil {
				continue
			}
			for _, can := range []struct {
				rule  rule
				names []string
			}{{res.create, []string{"_create"}}, {res.update, []string{"_update", "_partial_update"}}, {res.remove, []string{"_destroy"}}} {
				for _, n := range can.names {
					if can.rule != nil {
						operations = append(operations, c.operation+n)
					}
				}
			}
		}
		answer(w, http.StatusOK, recordMediaType, implementation{
			SchemaVersion: schemaVersion, ServiceVersion: "lab",
			ServiceTypes: serviceTypes(), ConfigTypes: serviceTypes(), FeatureTypes: featureTypes(), FeatureConfigTypes: featureTypes(),
			Operations: slices.Sorted(slices.Values(operations)), Features: supportedFeatures{Pagination: !s.options.Unpaginated},
		})
	}
}

type implementation struct {
	SchemaVersion      string            `json:"schema_version"`
	ServiceVersion     string            `json:"service_version"`
	ServiceTypes       []string          `json:"supported_network_service_types"`
	ConfigTypes        []string          `json:"supported_network_service_config_types"`
	FeatureTypes       []string          `json:"supported_network_feature_types"`
	FeatureConfigTypes []string          `json:"supported_network_feature_config_types"`
	Operations         []string          `json:"supported_operations"`
	Features           supportedFeatures `json:"supported_features"`
}

type supportedFeatures struct {
	Pagination bool `json:"pagination"`
}
