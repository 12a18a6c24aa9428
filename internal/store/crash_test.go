package store_test

const crashEnv = "LANYARD_STORE_CRASH"

func insertUntilKilled() {}
