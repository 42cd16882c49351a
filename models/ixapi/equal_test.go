package ixapi

import (
	"reflect"
	"testing"
	"time"
)

// unlike gives v another value than the zero one.
func unlike(t *testing.T, v reflect.Value) {
	t.Helper()
	switch v.Kind() {
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int:
		v.SetInt(7)
	case reflect.Uint16, reflect.Uint32:
		v.SetUint(7)
	case reflect.Float64:
		v.SetFloat(7)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
	case reflect.Map:
		v.Set(reflect.ValueOf(map[string]any{"k": "v"}))
	case reflect.Struct:
		v.Set(reflect.ValueOf(time.Unix(7, 0)))
	default:
		t.Fatalf("a field of kind %v", v.Kind())
	}
}

// everyFieldCounts changes each field of a T by itself.
func everyFieldCounts[T any](t *testing.T, equal func(a, b *T) bool) {
	t.Helper()
	fields := reflect.TypeFor[T]()
	for i := range fields.NumField() {
		var a, b, c T
		unlike(t, reflect.ValueOf(&a).Elem().Field(i))
		if equal(&a, &b) || equal(&b, &a) {
			t.Errorf("%s: %s does not count", fields.Name(), fields.Field(i).Name)
		}
		unlike(t, reflect.ValueOf(&c).Elem().Field(i))
		if !equal(&a, &c) {
			t.Errorf("%s: %s is compared by identity", fields.Name(), fields.Field(i).Name)
		}
	}
}

func TestRecordsAreEqualInEveryField(t *testing.T) {
	everyFieldCounts(t, (*Account).Equal)
	everyFieldCounts(t, (*Facility).Equal)
	everyFieldCounts(t, (*PointOfPresence).Equal)
	everyFieldCounts(t, (*Device).Equal)
	everyFieldCounts(t, (*Port).Equal)
	everyFieldCounts(t, (*Connection).Equal)
	everyFieldCounts(t, (*NetworkService).Equal)
	everyFieldCounts(t, (*NetworkServiceConfig).Equal)
	everyFieldCounts(t, (*MAC).Equal)
	everyFieldCounts(t, (*IP).Equal)
	everyFieldCounts(t, (*ProductOffering).Equal)
	everyFieldCounts(t, (*NetworkFeature).Equal)
	everyFieldCounts(t, (*NetworkFeatureConfig).Equal)
	everyFieldCounts(t, (*MemberJoiningRule).Equal)
	everyFieldCounts(t, func(a, b *StatusMessage) bool { return a.equal(*b) })
	everyFieldCounts(t, func(a, b *FeatureFlag) bool { return a.equal(*b) })
}

func TestRedactedListIsNotAnEmptyOne(t *testing.T) {
	redacted, empty := Connection{ID: "1"}, Connection{ID: "1", Ports: []ID{}}
	if redacted.Equal(&empty) {
		t.Error("a connection without ports equals one whose ports are not shown")
	}
}

func TestRecordsDecodedTwiceAreEqual(t *testing.T) {
	a, _, err := Decode(fixtures(t))
	if err != nil {
		t.Fatal(err)
	}
	b, _, err := Decode(fixtures(t))
	if err != nil {
		t.Fatal(err)
	}
	for i := range a.NetworkServiceConfigs {
		if !a.NetworkServiceConfigs[i].Equal(&b.NetworkServiceConfigs[i]) {
			t.Errorf("%+v", a.NetworkServiceConfigs[i])
		}
	}
	for i := range a.MACs {
		if !a.MACs[i].Equal(&b.MACs[i]) {
			t.Errorf("%+v", a.MACs[i])
		}
	}
}
