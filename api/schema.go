package api

// The names of what answers carry under "schema". A name keeps its meaning for as long as its
// version stands in it; fields may be added.
const (
	SchemaWhoAmI            = "lanyard/v1/whoami"
	SchemaProject           = "lanyard/v1/project"
	SchemaProjects          = "lanyard/v1/project.list"
	SchemaMember            = "lanyard/v1/member"
	SchemaMembers           = "lanyard/v1/member.list"
	SchemaCredentials       = "lanyard/v1/credential.list" //nolint:gosec // no credential. Of several kinds; of one it is KIND.list
	SchemaS3Key             = "lanyard/v1/s3key"
	SchemaS3Keys            = "lanyard/v1/s3key.list"
	SchemaConfigurations    = "lanyard/v1/configuration.list"
	SchemaRobot             = "lanyard/v1/robot"
	SchemaRobots            = "lanyard/v1/robot.list"
	SchemaSessions          = "lanyard/v1/session.list"
	SchemaAccounts          = "lanyard/v1/account.list"
	SchemaReceipt           = "lanyard/v1/receipt"
	SchemaAudit             = "lanyard/v1/audit.list"
	SchemaAuditVerification = "lanyard/v1/audit.verification"
)
