package switchd

import (
	"context"
	"errors"
	"slices"
	"time"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"github.com/openconfig/gnmi/proto/gnmi_ext"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/ixagent/ixagent/lab/switchd/tree"
)

// gnmiVersion is the version of the service this server speaks.
const gnmiVersion = "0.10.0"

var models = []*gpb.ModelData{
	{Name: "openconfig-interfaces", Organization: "OpenConfig working group", Version: "3.8.1"},
	{Name: "openconfig-if-ethernet", Organization: "OpenConfig working group", Version: "2.18.0"},
	{Name: "openconfig-if-aggregate", Organization: "OpenConfig working group", Version: "2.4.6"},
	{Name: "openconfig-vlan", Organization: "OpenConfig working group", Version: "3.2.2"},
	{Name: "openconfig-lacp", Organization: "OpenConfig working group", Version: "2.2.0"},
	{Name: "openconfig-network-instance", Organization: "OpenConfig working group", Version: "4.7.0"},
	{Name: "openconfig-acl", Organization: "OpenConfig working group"},
	{Name: "openconfig-qos", Organization: "OpenConfig working group"},
	{Name: "ixagent-openconfig-ext", Organization: "ixagent", Version: "0.1.0"},
}

// Capabilities implements gNMI.
func (service) Capabilities(context.Context, *gpb.CapabilityRequest) (*gpb.CapabilityResponse, error) {
	return &gpb.CapabilityResponse{
		SupportedModels:    models,
		SupportedEncodings: []gpb.Encoding{gpb.Encoding_JSON_IETF, gpb.Encoding_JSON, gpb.Encoding_PROTO},
		GNMIVersion:        gnmiVersion,
	}, nil
}

// join puts a prefix before a path.
func join(prefix, p *gpb.Path) (*gpb.Path, error) {
	origin := p.GetOrigin()
	if o := prefix.GetOrigin(); o != "" {
		if origin != "" && origin != o {
			return nil, status.Errorf(codes.InvalidArgument, "origin %q of the path is not %q of the prefix", origin, o)
		}
		origin = o
	}
	if origin != "" && origin != "openconfig" {
		return nil, status.Errorf(codes.InvalidArgument, "origin %q is not supported", origin)
	}
	return &gpb.Path{Elem: slices.Concat(prefix.GetElem(), p.GetElem())}, nil
}

func invalid(err error) error {
	if _, ok := status.FromError(err); ok {
		return err
	}
	return status.Error(codes.InvalidArgument, err.Error())
}

// Get implements gNMI. A path without wildcards under which there is nothing
// is NOT_FOUND; a pattern without a match has no updates. PROTO is answered
// leaf by leaf, JSON with the same RFC 7951 text as JSON_IETF.
func (s service) Get(_ context.Context, req *gpb.GetRequest) (*gpb.GetResponse, error) {
	filter := tree.All
	switch req.GetType() {
	case gpb.GetRequest_CONFIG:
		filter = tree.Config
	case gpb.GetRequest_STATE, gpb.GetRequest_OPERATIONAL:
		filter = tree.State
	}
	enc := req.GetEncoding()
	switch enc {
	case gpb.Encoding_JSON, gpb.Encoding_JSON_IETF, gpb.Encoding_PROTO:
	default:
		return nil, status.Errorf(codes.Unimplemented, "encoding %s is not supported", enc)
	}
	t := s.Running()
	if filter != tree.Config {
		var err error
		if t, err = s.store.live(); err != nil {
			return nil, status.Errorf(codes.Internal, "state: %v", err)
		}
	}
	paths := req.GetPath()
	if len(paths) == 0 {
		paths = []*gpb.Path{{}}
	}
	resp := &gpb.GetResponse{}
	for _, p := range paths {
		n, err := s.getOne(t, req.GetPrefix(), p, filter, enc)
		if err != nil {
			return nil, err
		}
		resp.Notification = append(resp.Notification, n)
	}
	if s.faults.take(&s.faults.truncate) {
		truncate(resp)
	}
	return resp, nil
}

func (s *Switch) getOne(t *tree.Tree, prefix, p *gpb.Path, filter tree.Filter, enc gpb.Encoding) (*gpb.Notification, error) {
	full, err := join(prefix, p)
	if err != nil {
		return nil, err
	}
	pattern, err := t.Schema().Pattern(full)
	if err != nil {
		return nil, invalid(err)
	}
	out := &gpb.Notification{Timestamp: time.Now().UnixNano()}
	if prefix.GetTarget() != "" {
		out.Prefix = &gpb.Path{Target: prefix.GetTarget()}
	}
	if enc == gpb.Encoding_PROTO {
		tree.Diff(tree.New(t.Schema()), t, []*tree.Pattern{pattern}, func(*gpb.Path) {}, func(at *gpb.Path, n tree.Node) {
			if filter == tree.All || (filter == tree.State) == n.ReadOnly() {
				out.Update = append(out.Update, &gpb.Update{Path: at, Val: n.TypedValue(enc)})
			}
		})
	} else {
		t.Match(pattern, func(at *gpb.Path, n tree.Node) bool {
			if text, ok := n.AppendJSON(nil, filter); ok {
				out.Update = append(out.Update, &gpb.Update{Path: at, Val: tree.JSONValue(text, enc)})
			}
			return true
		})
	}
	if len(out.Update) == 0 && pattern.Single() && len(full.GetElem()) > 0 {
		return nil, status.Errorf(codes.NotFound, "%s: nothing is there", pattern)
	}
	return out, nil
}

func truncate(resp *gpb.GetResponse) {
	for _, n := range resp.GetNotification() {
		for _, u := range n.GetUpdate() {
			switch v := u.GetVal().GetValue().(type) {
			case *gpb.TypedValue_JsonIetfVal:
				v.JsonIetfVal = v.JsonIetfVal[:len(v.JsonIetfVal)/2]
			case *gpb.TypedValue_JsonVal:
				v.JsonVal = v.JsonVal[:len(v.JsonVal)/2]
			}
		}
	}
}

// Set implements gNMI: all of it or nothing.
func (s service) Set(ctx context.Context, req *gpb.SetRequest) (*gpb.SetResponse, error) {
	start := time.Now()
	resp, err := s.faultySet(ctx, req)
	st := status.Convert(err)
	took := time.Since(start)
	s.audit.add(Record{Time: start, Took: took, User: userOf(ctx), Request: req, Code: st.Code(), Message: st.Message()})
	if err != nil {
		s.log.Info("set refused", "device", s.name, "err", st.Message(), "duration", took)
	} else {
		s.log.Info("set done", "device", s.name, "duration", took)
	}
	return resp, err
}

func (s *Switch) faultySet(ctx context.Context, req *gpb.SetRequest) (*gpb.SetResponse, error) {
	if s.shell {
		return nil, status.Error(codes.FailedPrecondition, "this switch is configured by its command line: gNMI can read and not write here")
	}
	var resp *gpb.SetResponse
	err := s.strike(ctx, func() (err error) {
		resp, err = s.set(req)
		return err
	})
	switch {
	case errors.Is(err, ErrCut):
		s.cut(ctx)
		return nil, status.Error(codes.Unavailable, err.Error())
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		return nil, status.FromContextError(err).Err()
	case err != nil:
		return nil, err
	}
	return resp, nil
}

func (s *Switch) cut(ctx context.Context) {
	if p, ok := peer.FromContext(ctx); ok {
		s.lis.cut(p.Addr.String())
	}
}

func (s *Switch) set(req *gpb.SetRequest) (*gpb.SetResponse, error) {
	ops, err := operations(req)
	if err != nil {
		return nil, err
	}
	commit, err := s.commitExtension(req)
	if err != nil {
		return nil, err
	}
	change := edit(ops.apply)
	switch action := commit.GetAction().(type) {
	case nil:
		err = s.store.set(change)
	case *gnmi_ext.Commit_Commit:
		d := defaultRollback
		if given := action.Commit.GetRollbackDuration(); given != nil {
			d = given.AsDuration()
		}
		if d <= 0 {
			return nil, status.Error(codes.InvalidArgument, "rollback_duration must be more than zero")
		}
		err = s.store.begin(commit.GetId(), d, change)
	default:
		if len(ops) > 0 {
			return nil, status.Error(codes.InvalidArgument, "a commit cannot be amended: confirm, cancel and set_rollback_duration come without operations")
		}
		err = s.settle(commit)
	}
	if err != nil {
		return nil, setError(err)
	}
	return ops.response(req), nil
}

func (s *Switch) settle(commit *gnmi_ext.Commit) error {
	switch action := commit.GetAction().(type) {
	case *gnmi_ext.Commit_Confirm:
		return s.store.confirm(commit.GetId())
	case *gnmi_ext.Commit_Cancel:
		return s.store.cancel(commit.GetId())
	case *gnmi_ext.Commit_SetRollbackDuration:
		d := action.SetRollbackDuration.GetRollbackDuration().AsDuration()
		if d <= 0 {
			return status.Error(codes.InvalidArgument, "rollback_duration must be more than zero")
		}
		return s.store.setRollback(commit.GetId(), d)
	}
	return status.Error(codes.InvalidArgument, "unknown commit action")
}

func setError(err error) error {
	switch {
	case errors.Is(err, ErrPending), errors.Is(err, ErrNotPending):
		return status.Error(codes.FailedPrecondition, err.Error())
	}
	return invalid(err)
}

// commitExtension returns the commit extension of a request, nil when it has
// none. Extensions the server does not know are ignored, as gNMI wants.
func (s *Switch) commitExtension(req *gpb.SetRequest) (*gnmi_ext.Commit, error) {
	var commit *gnmi_ext.Commit
	for _, ext := range req.GetExtension() {
		c := ext.GetCommit()
		if c == nil || s.faults.ignoresCommit() {
			continue
		}
		switch {
		case commit != nil:
			return nil, status.Error(codes.InvalidArgument, "two commit extensions")
		case c.GetId() == "":
			return nil, status.Error(codes.InvalidArgument, "the commit extension has no id")
		case c.GetAction() == nil:
			return nil, status.Error(codes.InvalidArgument, "the commit extension has no action")
		}
		commit = c
	}
	return commit, nil
}

type operation struct {
	kind gpb.UpdateResult_Operation
	asIs *gpb.Path // as the client wrote it
	path *gpb.Path
	val  *gpb.TypedValue
}

type operationList []operation

// operations puts the parts of a request in the order gNMI 3.4.3 gives them.
func operations(req *gpb.SetRequest) (operationList, error) {
	var ops operationList
	add := func(kind gpb.UpdateResult_Operation, p *gpb.Path, v *gpb.TypedValue) error {
		full, err := join(req.GetPrefix(), p)
		if err != nil {
			return err
		}
		if kind != gpb.UpdateResult_DELETE && v == nil {
			return status.Errorf(codes.InvalidArgument, "%s: has no value", tree.PathString(full))
		}
		ops = append(ops, operation{kind, p, full, v})
		return nil
	}
	for _, p := range req.GetDelete() {
		if err := add(gpb.UpdateResult_DELETE, p, nil); err != nil {
			return nil, err
		}
	}
	for _, set := range []struct {
		kind    gpb.UpdateResult_Operation
		updates []*gpb.Update
	}{
		{gpb.UpdateResult_REPLACE, req.GetReplace()},
		{gpb.UpdateResult_UPDATE, req.GetUpdate()},
		{gpb.UpdateResult_UNION_REPLACE, req.GetUnionReplace()},
	} {
		for _, u := range set.updates {
			if err := add(set.kind, u.GetPath(), u.GetVal()); err != nil {
				return nil, err
			}
		}
	}
	if n := len(req.GetUnionReplace()); n > 0 && n != len(ops) {
		return nil, status.Error(codes.InvalidArgument, "union_replace cannot be mixed with other operations")
	}
	return ops, nil
}

// apply runs the operations. A union_replace is the union of all its values in
// the place of the whole configuration.
func (ops operationList) apply(e *tree.Edit) error {
	if len(ops) > 0 && ops[0].kind == gpb.UpdateResult_UNION_REPLACE {
		if err := e.Delete(&gpb.Path{}); err != nil {
			return err
		}
	}
	for _, op := range ops {
		var err error
		switch op.kind {
		case gpb.UpdateResult_DELETE:
			err = e.Delete(op.path)
		case gpb.UpdateResult_REPLACE:
			err = e.Replace(op.path, op.val)
		default:
			err = e.Update(op.path, op.val)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (ops operationList) response(req *gpb.SetRequest) *gpb.SetResponse {
	resp := &gpb.SetResponse{Prefix: req.GetPrefix(), Timestamp: time.Now().UnixNano()}
	for _, op := range ops {
		resp.Response = append(resp.Response, &gpb.UpdateResult{Path: op.asIs, Op: op.kind})
	}
	return resp
}
