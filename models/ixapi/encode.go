package ixapi

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"slices"
)

// Encode writes records as lists of all collections, each as one page with a line for each record, in the order of
// their ids and of their text where they share one. It is for records that were made here, of what an exchange of
// another API says: [Decode] reads them like those that were received.
func Encode(r *Records) (map[Collection]Raw, error) {
	var errs []error
	page := func(raw Raw, err error) Raw {
		errs = append(errs, err)
		return raw
	}
	lists := map[Collection]Raw{
		Accounts:              page(encodeList(r.Accounts, func(x *Account) ID { return x.ID })),
		Facilities:            page(encodeList(r.Facilities, func(x *Facility) ID { return x.ID })),
		PoPs:                  page(encodeList(r.PoPs, func(x *PointOfPresence) ID { return x.ID })),
		Devices:               page(encodeList(r.Devices, func(x *Device) ID { return x.ID })),
		Ports:                 page(encodeList(r.Ports, func(x *Port) ID { return x.ID })),
		Connections:           page(encodeList(r.Connections, func(x *Connection) ID { return x.ID })),
		NetworkServices:       page(encodeList(r.NetworkServices, func(x *NetworkService) ID { return x.ID })),
		NetworkServiceConfigs: page(encodeList(r.NetworkServiceConfigs, func(x *NetworkServiceConfig) ID { return x.ID })),
		MACs:                  page(encodeList(r.MACs, func(x *MAC) ID { return x.ID })),
		IPs:                   page(encodeList(r.IPs, func(x *IP) ID { return x.ID })),
		ProductOfferings:      page(encodeList(r.ProductOfferings, func(x *ProductOffering) ID { return x.ID })),
		NetworkFeatures:       page(encodeList(r.NetworkFeatures, func(x *NetworkFeature) ID { return x.ID })),
		NetworkFeatureConfigs: page(encodeList(r.NetworkFeatureConfigs, func(x *NetworkFeatureConfig) ID { return x.ID })),
		MemberJoiningRules:    page(encodeList(r.MemberJoiningRules, func(x *MemberJoiningRule) ID { return x.ID })),
	}
	return lists, errors.Join(errs...)
}

func encodeList[T any](records []T, id func(*T) ID) (Raw, error) {
	type line struct {
		id   ID
		text []byte
	}
	lines, size := make([]line, len(records)), len("[]")
	for i := range records {
		text, err := json.Marshal(&records[i])
		if err != nil {
			return nil, err
		}
		lines[i] = line{id(&records[i]), text}
		size += len(text) + len(",\n")
	}
	slices.SortFunc(lines, func(a, b line) int { return cmp.Or(cmp.Compare(a.id, b.id), bytes.Compare(a.text, b.text)) })
	list := append(make([]byte, 0, size), '[')
	for i, l := range lines {
		if i > 0 {
			list = append(list, ",\n"...)
		}
		list = append(list, l.text...)
	}
	return Raw{append(list, ']')}, nil
}
