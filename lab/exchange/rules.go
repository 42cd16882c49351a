package exchange

import (
	"net/http"
	"slices"

	"github.com/ixagent/ixagent/lab/exchange/store"
)

// joiningRules are what the manager of a network service says about who may join it.
func joiningRules() *resource {
	return &resource{
		prefix: "rule",
		fields: together(ownable(), []field{{name: "network_service", is: reference("network-services"), required: true, fixed: true}}),
		variants: map[string][]field{
			"allow": {
				{name: "capacity_min", is: between(1, maxSpeed), null: true},
				{name: "capacity_max", is: between(1, maxSpeed), null: true},
			},
			"deny": {},
		},
		create: makeRule, update: changeRule, remove: removeRule,
		updated: http.StatusOK, removed: http.StatusOK,
	}
}

// checkRule finds what is wrong with a rule: each account has one at most, of a service that accounts can join.
func (o *order) checkRule() *problem {
	id, _ := o.new.Text("network_service")
	service := o.Get("network-services", id)
	if service == nil {
		return new(unable("network service %s is gone", id))
	}
	manager, _ := o.new.Text("managing_account")
	if of, _ := service.Text("managing_account"); of != manager {
		return new(forbidden("network service %s is managed by another account than the rule", id))
	}
	if kind, _ := service.Text("type"); kind != "p2mp_vc" && kind != "mp2mp_vc" {
		o.fault("network_service", "is of type %s, which is not joined by rules", kind)
	}
	account, _ := o.new.Text("consuming_account")
	for _, r := range o.rulesOf(id, account) {
		if r.ID != o.id {
			o.fault("consuming_account", "has rule %s already", r.ID)
		}
	}
	least, bounded := o.new.Int("capacity_min")
	if most, ok := o.new.Int("capacity_max"); ok && bounded && most < least {
		o.fault("capacity_max", "is less than capacity_min")
	}
	return nil
}

// rulesOf returns the rules for an account on a service.
func (o *order) rulesOf(service, account string) (out []*store.Record) {
	for _, r := range o.List("member-joining-rules") {
		of, _ := r.Text("network_service")
		who, _ := r.Text("consuming_account")
		if of == service && who == account {
			out = append(out, r)
		}
	}
	return out
}

func makeRule(o *order) *problem {
	if p := o.checkRule(); p != nil {
		return p
	}
	return o.listed("network-services", "network_service", "member_joining_rules", true)
}

func changeRule(o *order) *problem {
	if o.changed("consuming_account") {
		if p := o.relied(); p != nil {
			return p
		}
	}
	return o.checkRule()
}

func removeRule(o *order) *problem {
	if p := o.relied(); p != nil {
		return p
	}
	o.Remove(o.collection, o.id)
	o.new = nil
	return o.listed("network-services", "network_service", "member_joining_rules", false)
}

// relied says that somebody is in a service because of a rule, or returns nil.
func (o *order) relied() *problem {
	kind, _ := o.old.Text("type")
	id, _ := o.old.Text("network_service")
	account, _ := o.old.Text("consuming_account")
	service := o.Get("network-services", id)
	if kind != "allow" || service == nil || service.Value("public") == true || owns(service, account) {
		return nil
	}
	if theirs := o.configsOfAccount(id, account); len(theirs) > 0 {
		return new(unable("account %s has joined with %s", account, o.tell("network-service-configs", theirs)))
	}
	return nil
}

// listed adds the id of the order to, or takes it from, a list of the record that it refers to.
func (o *order) listed(collection, reference, list string, there bool) *problem {
	record := o.new
	if !there {
		record = o.old
	}
	id, _ := record.Text(reference)
	r := o.Get(collection, id)
	if r == nil {
		return nil
	}
	of, err := r.Object()
	if err != nil {
		return new(generic(http.StatusInternalServerError, err.Error()))
	}
	ids := slices.DeleteFunc(of.List(list), func(other string) bool { return other == o.id })
	if there {
		ids = append(ids, o.id)
	}
	return o.edit(collection, id, store.Object{list: ids})
}

// owns reports whether an account consumes something: a service is its own then.
func owns(r *store.Record, account string) bool {
	consumer, _ := r.Text("consuming_account")
	return consumer == account
}

// joined reports whether the order is a change of a config that leaves open to whom it belongs: whoever is in stays in.
func (o *order) joined() bool {
	return o.collection == "network-service-configs" && o.old != nil && !o.changed("consuming_account") && !o.changed("network_service")
}

// mayJoin says why an account cannot have a config of a service with a capacity, which is nil for as much as there is;
// or it returns nil. The order may be that config, made or changed.
func (o *order) mayJoin(service *store.Record, account string, capacity *int64) *problem {
	if !o.joined() && (!inService(service) || service.State() == "decommission_requested") {
		return new(invalid(property{Name: "network_service", Reason: "is in state " + service.State()}))
	}
	switch kind, _ := service.Text("type"); kind {
	case "p2p_vc":
		return o.mayEnd(service, account)
	case "p2mp_vc", "mp2mp_vc":
		return o.mayMeet(service, account, capacity)
	case "cloud_vc":
		return o.mayHandOver(service, account)
	}
	return nil
}

// others returns the configs in service of a service, but for the one that is ordered.
func (o *order) others(service string) []*store.Record {
	return slices.DeleteFunc(inServiceOf(o.Now(), "network-service-configs", "network_service", service), func(c *store.Record) bool {
		return o.collection == "network-service-configs" && c.ID == o.id
	})
}

// mayEnd holds for a line, which has two ends: its owner's and the joining member's.
func (o *order) mayEnd(service *store.Record, account string) *problem {
	if o.joined() {
		return nil
	}
	joining, _ := service.Text("joining_member_account")
	ends := 0
	for _, mine := range []bool{owns(service, account), joining == account} {
		if mine {
			ends++
		}
	}
	if ends == 0 {
		return new(forbidden("account %s is at neither end of network service %s", account, service.ID))
	}
	theirs := slices.DeleteFunc(o.others(service.ID), func(c *store.Record) bool { return !owns(c, account) })
	if len(theirs) >= ends {
		return new(invalid(property{Name: "network_service", Reason: "has this end already: " + o.tell("network-service-configs", theirs)}))
	}
	return nil
}

// mayMeet holds for a group: it is open to its owner, to those that a rule allows and, when it is public, to all that
// none denies.
func (o *order) mayMeet(service *store.Record, account string, capacity *int64) *problem {
	open := o.joined() || owns(service, account) || service.Value("public") == true
	for _, rule := range o.rulesOf(service.ID, account) {
		if kind, _ := rule.Text("type"); kind != "allow" {
			if o.joined() {
				continue
			}
			return new(forbidden("account %s is denied network service %s", account, service.ID))
		}
		open = true
		if least, set := rule.Int("capacity_min"); set && capacity != nil && *capacity < least {
			o.fault("capacity", "is less than the %d Mbit/s with which the account may join", least)
			return o.wrong()
		}
	}
	if !open {
		return new(forbidden("no rule allows account %s to join network service %s", account, service.ID))
	}
	return nil
}

// mayHandOver holds for a cloud, which its owner reaches through as many handovers as it is diverse.
func (o *order) mayHandOver(service *store.Record, account string) *problem {
	if !o.joined() && !owns(service, account) {
		return new(forbidden("network service %s is of another account than %s", service.ID, account))
	}
	diversity, set := service.Int("diversity")
	handover, given := o.new.Int("handover")
	if !given || o.joined() && !o.changed("handover") {
		return nil
	}
	if set && handover > diversity {
		o.fault("handover", "is not between 1 and %d", diversity)
	}
	for _, c := range o.others(service.ID) {
		if other, _ := c.Int("handover"); other == handover {
			o.fault("handover", "has a config already")
		}
	}
	return o.wrong()
}
