/* SPDX-License-Identifier: Apache-2.0 */
#include "volumes/pod-spec.c"

#include "test.h"

static struct ks_arena a;
static struct ks_err err;
static struct ks_pod_spec p;
static struct ks_map_entry entries[8];
static struct ks_map m = { entries, 0 };

static void set(const char *key, const char *value)
{
	for (size_t i = 0; i < m.n; i++) {
		if (ks_streq(entries[i].key, key)) {
			entries[i].value = value;
			return;
		}
	}
	entries[m.n++] = (struct ks_map_entry){ key, value };
}

static int parse(void)
{
	int r;

	err = KS_ERR_INIT;
	p = (struct ks_pod_spec){ 0 };
	r = ks_pod_parse(&a, &m, "c1", "host", &p, &err);
	m.n = 0;
	return r;
}

static void nothing_asked(void)
{
	CHECK_INT(parse(), KS_POD_NONE);
	set("io.kubernetes.cri.sandbox-name", "x");
	CHECK_INT(parse(), KS_POD_NONE);
}

static void a_stateful_pod(void)
{
	set("dev.kshim.pod", "catalog/catalog-mysql-0");
	set("dev.kshim.volumes", "[{\"name\":\"tmp\",\"emptyDir\":{\"medium\":\"Memory\","
				 "\"sizeLimit\":\"64Mi\"}},{\"name\":\"data\",\"emptyDir\":{}},"
				 "{\"name\":\"old\",\"persistentVolumeClaim\":{\"claimName\":\"c\","
				 "\"readOnly\":true}}]");
	set("dev.kshim.volume-claim-templates",
	    "[{\"metadata\":{\"name\":\"data\"},\"spec\":{\"accessModes\":[\"ReadWriteOnce\"],"
	    "\"resources\":{\"requests\":{\"storage\":\"1Gi\"}}}}]");
	set("dev.kshim.volume-mounts",
	    "{\"c1\":[{\"name\":\"data\",\"mountPath\":\"/d\",\"subPath\":\"a/b\"}],"
	    "\"*\":[{\"name\":\"tmp\",\"mountPath\":\"/t\"}]}");
	CHECK_INT(parse(), 0);
	CHECK_STR(p.ns, "catalog");
	CHECK_STR(p.name, "catalog-mysql-0");
	CHECK_INT(p.n_volumes, 3);
	/* The template takes the place of the emptyDir of its name. */
	for (size_t i = 0; i < p.n_volumes; i++) {
		if (!ks_streq(p.volumes[i].name, "data"))
			continue;
		CHECK_INT(p.volumes[i].kind, KS_POD_CLAIM);
		CHECK_STR(p.volumes[i].claim, "data-catalog-mysql-0");
		CHECK_INT(p.volumes[i].size_bytes, 1 << 30);
	}
	CHECK_INT(p.n_mounts, 1);
	CHECK_STR(p.mounts[0].sub_path, "a/b");
}

static void cri_names_the_pod(void)
{
	set("io.kubernetes.cri.sandbox-name", "web-0");
	set("io.kubernetes.cri.sandbox-namespace", "prod");
	set("io.kubernetes.cri.sandbox-uid", "0b5c-1");
	set("io.kubernetes.cri.container-name", "app");
	set("dev.kshim.volumes", "[{\"name\":\"v\",\"emptyDir\":{}}]");
	set("dev.kshim.volume-mounts", "{\"app\":[{\"name\":\"v\",\"mountPath\":\"/v\"}]}");
	CHECK_INT(parse(), 0);
	CHECK_STR(p.ns, "prod");
	CHECK_STR(p.uid, "0b5c-1");
	CHECK_INT(p.n_mounts, 1);

	set("io.kubernetes.cri.sandbox-name", "web-0");
	set("io.kubernetes.cri.sandbox-namespace", "prod");
	set("dev.kshim.pod", "prod/db-0");
	CHECK(parse() < 0);
	CHECK_INT(err.kind, KS_ERR_DENIED);

	set("io.kubernetes.cri.sandbox-name", "web-0");
	set("io.kubernetes.cri.sandbox-namespace", "prod");
	set("dev.kshim.pod-uid", "another");
	CHECK(parse() < 0);
	CHECK_INT(err.kind, KS_ERR_DENIED);
}

static void crio_names_the_pod_too(void)
{
	set("io.kubernetes.pod.name", "web-0");
	set("io.kubernetes.pod.namespace", "prod");
	set("io.kubernetes.pod.uid", "u-1");
	set("io.kubernetes.container.name", "app");
	set("dev.kshim.volumes", "[{\"name\":\"v\",\"emptyDir\":{}}]");
	set("dev.kshim.volume-mounts", "{\"app\":[{\"name\":\"v\",\"mountPath\":\"/v\"}]}");
	CHECK_INT(parse(), 0);
	CHECK_STR(p.ns, "prod");
	CHECK_STR(p.uid, "u-1");
	CHECK_INT(p.n_mounts, 1);

	/* podman writes keys of CRI-O's, but names no pod by them. */
	set("io.kubernetes.cri-o.Created", "now");
	set("dev.kshim.pod", "a/b");
	CHECK_INT(parse(), 0);

	/* An engine that names no pod must not fall back to what the pod says of itself. */
	set("io.kubernetes.cri-o.KubeName", "x");
	set("dev.kshim.pod", "tenant-a/db-0");
	CHECK(parse() < 0);
	CHECK_INT(err.kind, KS_ERR_DENIED);
	set("io.kubernetes.pod.namespace", "tenant-b");
	set("dev.kshim.volumes", "[]");
	CHECK(parse() < 0);
}

#define VOL(inner)	"[{\"name\":\"v\"," inner "}]"
#define MOUNT(inner)	"{\"*\":[{\"name\":\"v\",\"mountPath\":\"/v\"" inner "}]}"
#define TPL(meta, spec) "[{\"metadata\":{" meta "},\"spec\":{" spec "}}]"

static void hostile_annotations_are_refused(void)
{
	static const struct {
		const char *pod, *volumes, *templates, *mounts, *part;
	} t[] = {
		{ "noslash", NULL, NULL, NULL, "NAMESPACE/NAME" },
		{ "../etc/x", NULL, NULL, NULL, "namespace" },
		{ "a/../b", NULL, NULL, NULL, "pod name" },
		{ "a/b/c", NULL, NULL, NULL, "pod name" },
		{ "a/B", NULL, NULL, NULL, "pod name" },
		{ "/b", NULL, NULL, NULL, "namespace" },
		{ "a/b", "{}", NULL, NULL, "dev.kshim.volumes: expected array" },
		{ "a/b", "[", NULL, NULL, "not valid JSON" },
		{ "a/b", "[1]", NULL, NULL, "dev.kshim.volumes[0]: expected object" },
		{ "a/b", VOL("\"x\":1"), NULL, NULL, "needs one of" },
		{ "a/b", VOL("\"hostPath\":{\"path\":\"/\"}"), NULL, NULL, "hostPath" },
		{ "a/b", VOL("\"emptyDir\":{},\"persistentVolumeClaim\":{\"claimName\":\"c\"}"),
		  NULL, NULL, "needs one of" },
		{ "a/b", VOL("\"emptyDir\":{\"medium\":\"Disk\"}"), NULL, NULL, "medium" },
		{ "a/b", VOL("\"emptyDir\":{\"medium\":\"Memory\",\"sizeLimit\":\"1Zi\"}"), NULL,
		  NULL, "sizeLimit" },
		{ "a/b", VOL("\"emptyDir\":{\"medium\":\"Memory\",\"sizeLimit\":-1}"), NULL, NULL,
		  "sizeLimit" },
		{ "a/b", VOL("\"emptyDir\":{\"mode\":1024}"), NULL, NULL, "mode" },
		{ "a/b", VOL("\"persistentVolumeClaim\":{\"claimName\":\"../x\"}"), NULL, NULL,
		  "claimName" },
		{ "a/b", VOL("\"persistentVolumeClaim\":{\"claimName\":\"ns/x\"}"), NULL, NULL,
		  "claimName" },
		{ "a/b", "[{\"name\":\"../v\",\"emptyDir\":{}}]", NULL, NULL, "volume name" },
		{ "a/b", "[{\"name\":\"v\",\"emptyDir\":{}},{\"name\":\"v\",\"emptyDir\":{}}]",
		  NULL, NULL, "stands twice" },
		{ "a/b", NULL, TPL("\"name\":\"d\"", ""), NULL, "resources" },
		{ "a/b", NULL,
		  TPL("\"name\":\"d\"", "\"resources\":{\"requests\":{\"storage\":\"0\"}}"), NULL,
		  "storage" },
		{ "a/b", NULL,
		  TPL("\"name\":\"d\"", "\"accessModes\":[\"ReadWriteMany\"],"
					"\"resources\":{\"requests\":{\"storage\":\"1Gi\"}}"),
		  NULL, "ReadWriteMany" },
		{ "a/b", NULL,
		  TPL("\"name\":\"d\"", "\"volumeMode\":\"Block\","
					"\"resources\":{\"requests\":{\"storage\":\"1Gi\"}}"),
		  NULL, "volumeMode" },
		{ "a/b", NULL,
		  TPL("\"name\":\"d\",\"annotations\":{\"dev.kshim.fs-type\":\"ntfs\"}",
		      "\"resources\":{\"requests\":{\"storage\":\"1Gi\"}}"),
		  NULL, "ntfs" },
		{ "a/b", VOL("\"emptyDir\":{}"), NULL,
		  "{\"*\":[{\"name\":\"w\",\"mountPath\":\"/v\"}]}", "no volume \"w\"" },
		{ "a/b", VOL("\"emptyDir\":{}"), NULL,
		  "{\"*\":[{\"name\":\"v\",\"mountPath\":\"v\"}]}", "mountPath" },
		{ "a/b", VOL("\"emptyDir\":{}"), NULL, "{\"*\":{}}", "expected array" },
		{ "a/b", VOL("\"emptyDir\":{}"), NULL, MOUNT(",\"subPath\":\"../x\""), "subPath" },
		{ "a/b", VOL("\"emptyDir\":{}"), NULL, MOUNT(",\"subPath\":\"a/../../x\""),
		  "subPath" },
		{ "a/b", VOL("\"emptyDir\":{}"), NULL, MOUNT(",\"subPath\":\"/x\""), "subPath" },
		{ "a/b", VOL("\"emptyDir\":{}"), NULL, MOUNT(",\"subPathExpr\":\"$(X)\""),
		  "subPathExpr" },
		{ "a/b", VOL("\"emptyDir\":{}"), NULL,
		  MOUNT(",\"mountPropagation\":\"Bidirectional\""), "mountPropagation" },
	};

	for (size_t i = 0; i < KS_ARRAY_LEN(t); i++) {
		set("dev.kshim.pod", t[i].pod);
		if (t[i].volumes)
			set("dev.kshim.volumes", t[i].volumes);
		if (t[i].templates)
			set("dev.kshim.volume-claim-templates", t[i].templates);
		if (t[i].mounts)
			set("dev.kshim.volume-mounts", t[i].mounts);
		CHECK(parse() < 0);
		CHECK_HAS(err.msg, t[i].part);
	}
}

static void a_bad_uid_is_refused(void)
{
	static const char *const bad[] = { "", "../x", "A", "a/b", "-a" };

	for (size_t i = 0; i < KS_ARRAY_LEN(bad); i++) {
		set("dev.kshim.pod", "a/b");
		set("dev.kshim.pod-uid", bad[i]);
		CHECK(parse() < 0);
	}
}

static void too_many_volumes(void)
{
	static char text[8192] = "[";

	for (int i = 0; i < 65; i++)
		sprintf(text + strlen(text), "%s{\"name\":\"v%d\",\"emptyDir\":{}}", i ? "," : "",
			i);
	strcat(text, "]");
	set("dev.kshim.volumes", text);
	CHECK(parse() < 0);
	CHECK_HAS(err.msg, "more than 64 volumes");
}

TEST_MAIN(CASE(nothing_asked), CASE(a_stateful_pod), CASE(cri_names_the_pod),
	  CASE(crio_names_the_pod_too), CASE(hostile_annotations_are_refused),
	  CASE(a_bad_uid_is_refused), CASE(too_many_volumes))
