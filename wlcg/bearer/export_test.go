package bearer

// DiscoverIn is Discover with another shared directory than /tmp, in which tests must not write.
var DiscoverIn = discover
