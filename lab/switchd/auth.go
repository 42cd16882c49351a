package switchd

import (
	"context"
	"crypto/subtle"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// userTable maps user names to passwords. Without users, the client certificate
// that TLS has verified is all there is to show.
type userTable map[string]string

func (u userTable) check(ctx context.Context) error {
	if len(u) == 0 {
		return nil
	}
	md, _ := metadata.FromIncomingContext(ctx)
	name, password := first(md.Get("username")), first(md.Get("password"))
	want, known := u[name]
	if subtle.ConstantTimeCompare([]byte(password), []byte(want)) != 1 || !known {
		return status.Error(codes.Unauthenticated, "unknown user or wrong password")
	}
	return nil
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

func userOf(ctx context.Context) string {
	md, _ := metadata.FromIncomingContext(ctx)
	return first(md.Get("username"))
}

func (u userTable) unary(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	if err := u.check(ctx); err != nil {
		return nil, err
	}
	return handler(ctx, req)
}

func (u userTable) stream(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	if err := u.check(ss.Context()); err != nil {
		return err
	}
	return handler(srv, ss)
}
