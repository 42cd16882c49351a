package config

import "github.com/ixagent/ixagent/drivers"

func (l *loader) check(c *Config, known drivers.Registry) {}
