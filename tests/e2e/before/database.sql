BEGIN TRANSACTION;
CREATE TABLE event_sequence (id INTEGER PRIMARY KEY CHECK (id = 1), last BIGINT NOT NULL, latest_at BIGINT NOT NULL, disorder BIGINT NOT NULL);
INSERT INTO "event_sequence" VALUES(1,45,1796033070535804,0);
CREATE TABLE events (seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, subject TEXT NOT NULL, owner TEXT NOT NULL, actor TEXT NOT NULL, actor_id TEXT NOT NULL, address TEXT NOT NULL, at BIGINT NOT NULL, detail TEXT NOT NULL);
INSERT INTO "events" VALUES(1,'system.started','','','','','',1796033053196910,'{"version":"0.1.0"}');
INSERT INTO "events" VALUES(2,'user.created','01M8NYK32KXZR3Q85YR1E70REQ','','admin token','admin-token','127.0.0.1',1796033055828111,'{"name":"ann","role":"player"}');
INSERT INTO "events" VALUES(3,'login','01M8NYK32KXZR3Q85YR1E70REQ','01M8NYK32KXZR3Q85YR1E70REQ','ann','01M8NYK32KXZR3Q85YR1E70REQ','127.0.0.1',1796033056217549,'{"strategy":"local","agent":""}');
INSERT INTO "events" VALUES(4,'user.created','01M8NYK3YFJTK48CNJ04KZS3BF','','admin token','admin-token','127.0.0.1',1796033056719507,'{"name":"bob","role":"player"}');
INSERT INTO "events" VALUES(5,'login','01M8NYK3YFJTK48CNJ04KZS3BF','01M8NYK3YFJTK48CNJ04KZS3BF','bob','01M8NYK3YFJTK48CNJ04KZS3BF','127.0.0.1',1796033057300475,'{"strategy":"local","agent":""}');
INSERT INTO "events" VALUES(6,'user.created','01M8NYK50928GYZ899Q2VVNGDC','','admin token','admin-token','127.0.0.1',1796033057801576,'{"name":"cat","role":"author"}');
INSERT INTO "events" VALUES(7,'login','01M8NYK50928GYZ899Q2VVNGDC','01M8NYK50928GYZ899Q2VVNGDC','cat','01M8NYK50928GYZ899Q2VVNGDC','127.0.0.1',1796033058253316,'{"strategy":"local","agent":""}');
INSERT INTO "events" VALUES(8,'user.created','01M8NYK5SC8CWH6NQACWPD7FJM','','admin token','admin-token','127.0.0.1',1796033058604927,'{"name":"dan","role":"player"}');
INSERT INTO "events" VALUES(9,'login','01M8NYK5SC8CWH6NQACWPD7FJM','01M8NYK5SC8CWH6NQACWPD7FJM','dan','01M8NYK5SC8CWH6NQACWPD7FJM','127.0.0.1',1796033059145331,'{"strategy":"local","agent":""}');
INSERT INTO "events" VALUES(10,'user.created','01M8NYK6XAP817B5B7J8QWS8JF','','admin token','admin-token','127.0.0.1',1796033059754898,'{"name":"eve","role":"player"}');
INSERT INTO "events" VALUES(11,'login','01M8NYK6XAP817B5B7J8QWS8JF','01M8NYK6XAP817B5B7J8QWS8JF','eve','01M8NYK6XAP817B5B7J8QWS8JF','127.0.0.1',1796033060364154,'{"strategy":"local","agent":""}');
INSERT INTO "events" VALUES(12,'user.created','01M8NYK8EX1FP07Q21VKGFZFWM','','admin token','admin-token','127.0.0.1',1796033061341667,'{"name":"fay","role":"player"}');
INSERT INTO "events" VALUES(13,'login','01M8NYK8EX1FP07Q21VKGFZFWM','01M8NYK8EX1FP07Q21VKGFZFWM','fay','01M8NYK8EX1FP07Q21VKGFZFWM','127.0.0.1',1796033062189336,'{"strategy":"local","agent":""}');
INSERT INTO "events" VALUES(14,'token.created','01M8NYK32KXZR3Q85YR1E70REQ','','ann','01M8NYK32KXZR3Q85YR1E70REQ','127.0.0.1',1796033062192113,'{"name":"kept","id":"01M8NYK99F5VYC7ZDADGH08Z39","scopes":""}');
INSERT INTO "events" VALUES(15,'template.override','echo','','admin token','admin-token','127.0.0.1',1796033062193069,'{"max_instances":7}');
INSERT INTO "events" VALUES(16,'instance.asked','web-cwpd7fjm-e0bbb6e4','01M8NYK5SC8CWH6NQACWPD7FJM','dan','01M8NYK5SC8CWH6NQACWPD7FJM','127.0.0.1',1796033062194967,'{"template":"web","template_name":"Web","owner_name":"dan","state":"preparing"}');
INSERT INTO "events" VALUES(17,'flag.created','web','01M8NYK5SC8CWH6NQACWPD7FJM','','','',1796033062195620,'{}');
INSERT INTO "events" VALUES(18,'instance.running','web-cwpd7fjm-e0bbb6e4','01M8NYK5SC8CWH6NQACWPD7FJM','','','',1796033063028742,'{"template":"web","template_name":"Web","owner_name":"dan","state":"running","expires_at":"2026-11-30T11:04:23.028Z"}');
INSERT INTO "events" VALUES(19,'instance.stopping','web-cwpd7fjm-e0bbb6e4','01M8NYK5SC8CWH6NQACWPD7FJM','dan','01M8NYK5SC8CWH6NQACWPD7FJM','127.0.0.1',1796033063030937,'{"template":"web","template_name":"Web","owner_name":"dan","state":"stopping","reason":"user","reason_text":"Stopped by its owner.","expires_at":"2026-11-30T11:04:23.028Z"}');
INSERT INTO "events" VALUES(20,'instance.stopped','web-cwpd7fjm-e0bbb6e4','01M8NYK5SC8CWH6NQACWPD7FJM','','','',1796033063271207,'{"template":"web","template_name":"Web","owner_name":"dan","state":"stopped","reason":"user","reason_text":"Stopped by its owner.","expires_at":"2026-11-30T11:04:23.028Z"}');
INSERT INTO "events" VALUES(21,'instance.asked','web-r1e70req-279439a6','01M8NYK32KXZR3Q85YR1E70REQ','ann','01M8NYK32KXZR3Q85YR1E70REQ','127.0.0.1',1796033063275606,'{"template":"web","template_name":"Web","owner_name":"ann","state":"preparing"}');
INSERT INTO "events" VALUES(22,'flag.created','web','01M8NYK32KXZR3Q85YR1E70REQ','','','',1796033063276433,'{}');
INSERT INTO "events" VALUES(23,'instance.running','web-r1e70req-279439a6','01M8NYK32KXZR3Q85YR1E70REQ','','','',1796033063877526,'{"template":"web","template_name":"Web","owner_name":"ann","state":"running","expires_at":"2026-11-30T11:04:23.877Z"}');
INSERT INTO "events" VALUES(24,'instance.asked','stack-r1e70req-724ad863','01M8NYK32KXZR3Q85YR1E70REQ','ann','01M8NYK32KXZR3Q85YR1E70REQ','127.0.0.1',1796033063901373,'{"template":"stack","template_name":"Stack","owner_name":"ann","state":"preparing"}');
INSERT INTO "events" VALUES(25,'flag.created','stack','01M8NYK32KXZR3Q85YR1E70REQ','','','',1796033063905645,'{}');
INSERT INTO "events" VALUES(26,'instance.running','stack-r1e70req-724ad863','01M8NYK32KXZR3Q85YR1E70REQ','','','',1796033066505742,'{"template":"stack","template_name":"Stack","owner_name":"ann","state":"running","expires_at":"2026-11-30T11:04:26.505Z"}');
INSERT INTO "events" VALUES(27,'instance.asked','box-r1e70req-2b53c2a8','01M8NYK32KXZR3Q85YR1E70REQ','ann','01M8NYK32KXZR3Q85YR1E70REQ','127.0.0.1',1796033066512184,'{"template":"box","template_name":"Box","owner_name":"ann","state":"preparing"}');
INSERT INTO "events" VALUES(28,'flag.created','box','01M8NYK32KXZR3Q85YR1E70REQ','','','',1796033066517467,'{}');
INSERT INTO "events" VALUES(29,'instance.running','box-r1e70req-2b53c2a8','01M8NYK32KXZR3Q85YR1E70REQ','','','',1796033067011441,'{"template":"box","template_name":"Box","owner_name":"ann","state":"running","expires_at":"2026-11-30T11:04:27.011Z"}');
INSERT INTO "events" VALUES(30,'instance.asked','echo-04kzs3bf-2898e8a2','01M8NYK3YFJTK48CNJ04KZS3BF','bob','01M8NYK3YFJTK48CNJ04KZS3BF','127.0.0.1',1796033067013726,'{"template":"echo","template_name":"Echo","owner_name":"bob","state":"preparing"}');
INSERT INTO "events" VALUES(31,'flag.created','echo','01M8NYK3YFJTK48CNJ04KZS3BF','','','',1796033067014316,'{}');
INSERT INTO "events" VALUES(32,'instance.running','echo-04kzs3bf-2898e8a2','01M8NYK3YFJTK48CNJ04KZS3BF','','','',1796033067423423,'{"template":"echo","template_name":"Echo","owner_name":"bob","state":"running","expires_at":"2026-11-30T11:04:27.423Z"}');
INSERT INTO "events" VALUES(33,'instance.asked','warm-887f3c64-35aeae67','01M8NYK50928GYZ899Q2VVNGDC','cat','01M8NYK50928GYZ899Q2VVNGDC','127.0.0.1',1796033067425695,'{"template":"warm","template_name":"Warm","owner_name":"cat","state":"running","expires_at":"2026-11-30T11:04:27.425Z","from_pool":true}');
INSERT INTO "events" VALUES(34,'instance.running','warm-887f3c64-35aeae67','01M8NYK50928GYZ899Q2VVNGDC','cat','01M8NYK50928GYZ899Q2VVNGDC','127.0.0.1',1796033067425695,'{"template":"warm","template_name":"Warm","owner_name":"cat","state":"running","expires_at":"2026-11-30T11:04:27.425Z","from_pool":true}');
INSERT INTO "events" VALUES(35,'flag.created','warm','01M8NYK50928GYZ899Q2VVNGDC','','','',1796033067426130,'{}');
INSERT INTO "events" VALUES(36,'instance.asked','nap-04kzs3bf-54eb6992','01M8NYK3YFJTK48CNJ04KZS3BF','bob','01M8NYK3YFJTK48CNJ04KZS3BF','127.0.0.1',1796033067427617,'{"template":"nap","template_name":"Nap","owner_name":"bob","state":"preparing"}');
INSERT INTO "events" VALUES(37,'flag.created','nap','01M8NYK3YFJTK48CNJ04KZS3BF','','','',1796033067428108,'{}');
INSERT INTO "events" VALUES(38,'instance.running','nap-04kzs3bf-54eb6992','01M8NYK3YFJTK48CNJ04KZS3BF','','','',1796033068194823,'{"template":"nap","template_name":"Nap","owner_name":"bob","state":"running","expires_at":"2026-11-30T11:04:28.194Z"}');
INSERT INTO "events" VALUES(39,'instance.paused','nap-04kzs3bf-54eb6992','01M8NYK3YFJTK48CNJ04KZS3BF','','','',1796033069242403,'{"template":"nap","template_name":"Nap","owner_name":"bob","state":"paused","expires_at":"2026-11-30T11:04:28.194Z"}');
INSERT INTO "events" VALUES(40,'instance.asked','web-cwpd7fjm-fa5653e3','01M8NYK5SC8CWH6NQACWPD7FJM','dan','01M8NYK5SC8CWH6NQACWPD7FJM','127.0.0.1',1796033069260823,'{"template":"web","template_name":"Web","owner_name":"dan","state":"preparing"}');
INSERT INTO "events" VALUES(41,'instance.running','web-cwpd7fjm-fa5653e3','01M8NYK5SC8CWH6NQACWPD7FJM','','','',1796033070113871,'{"template":"web","template_name":"Web","owner_name":"dan","state":"running","expires_at":"2026-11-30T11:04:30.113Z"}');
INSERT INTO "events" VALUES(42,'system.started','','','','','',1796033070388811,'{"version":"0.1.0"}');
INSERT INTO "events" VALUES(43,'instance.stopping','web-cwpd7fjm-fa5653e3','01M8NYK5SC8CWH6NQACWPD7FJM','admin token','admin-token','127.0.0.1',1796033070514627,'{"template":"web","template_name":"Web","owner_name":"dan","state":"stopping","reason":"admin","reason_text":"Stopped by staff.","expires_at":"2026-11-30T11:04:30.113Z"}');
INSERT INTO "events" VALUES(44,'instance.asked','stack-j8qws8jf-6e30b2fa','01M8NYK6XAP817B5B7J8QWS8JF','eve','01M8NYK6XAP817B5B7J8QWS8JF','127.0.0.1',1796033070519847,'{"template":"stack","template_name":"Stack","owner_name":"eve","state":"preparing"}');
INSERT INTO "events" VALUES(45,'flag.created','stack','01M8NYK6XAP817B5B7J8QWS8JF','','','',1796033070535804,'{}');
CREATE TABLE farm_log (
  row_number INTEGER PRIMARY KEY,
  body text not null
);
INSERT INTO "farm_log" VALUES(1,'F	1796033069252588	0	40	0
F0XXXXXXXXXXXXXXXXXXXXXXXXXXXXX=	web_1	Team #1	web
F1XXXXXXXXXXXXXXXXXXXXXXXXXXXXX=
F2XXXXXXXXXXXXXXXXXXXXXXXXXXXXX=
F3XXXXXXXXXXXXXXXXXXXXXXXXXXXXX=
F4XXXXXXXXXXXXXXXXXXXXXXXXXXXXX=
F5XXXXXXXXXXXXXXXXXXXXXXXXXXXXX=
F6XXXXXXXXXXXXXXXXXXXXXXXXXXXXX=
F7XXXXXXXXXXXXXXXXXXXXXXXXXXXXX=
F8XXXXXXXXXXXXXXXXXXXXXXXXXXXXX=
F9XXXXXXXXXXXXXXXXXXXXXXXXXXXXX=
F10XXXXXXXXXXXXXXXXXXXXXXXXXXXX=
F11XXXXXXXXXXXXXXXXXXXXXXXXXXXX=
F12XXXXXXXXXXXXXXXXXXXXXXXXXXXX=
F13XXXXXXXXXXXXXXXXXXXXXXXXXXXX=
F14XXXXXXXXXXXXXXXXXXXXXXXXXXXX=
F15XXXXXXXXXXXXXXXXXXXXXXXXXXXX=
F16XXXXXXXXXXXXXXXXXXXXXXXXXXXX=
F17XXXXXXXXXXXXXXXXXXXXXXXXXXXX=
F18XXXXXXXXXXXXXXXXXXXXXXXXXXXX=
F19XXXXXXXXXXXXXXXXXXXXXXXXXXXX=
F20XXXXXXXXXXXXXXXXXXXXXXXXXXXX=
F21XXXXXXXXXXXXXXXXXXXXXXXXXXXX=
F22XXXXXXXXXXXXXXXXXXXXXXXXXXXX=
F23XXXXXXXXXXXXXXXXXXXXXXXXXXXX=
F24XXXXXXXXXXXXXXXXXXXXXXXXXXXX=
F25XXXXXXXXXXXXXXXXXXXXXXXXXXXX=
F26XXXXXXXXXXXXXXXXXXXXXXXXXXXX=
F27XXXXXXXXXXXXXXXXXXXXXXXXXXXX=
F28XXXXXXXXXXXXXXXXXXXXXXXXXXXX=
F29XXXXXXXXXXXXXXXXXXXXXXXXXXXX=
F30XXXXXXXXXXXXXXXXXXXXXXXXXXXX=
F31XXXXXXXXXXXXXXXXXXXXXXXXXXXX=
F32XXXXXXXXXXXXXXXXXXXXXXXXXXXX=
F33XXXXXXXXXXXXXXXXXXXXXXXXXXXX=
F34XXXXXXXXXXXXXXXXXXXXXXXXXXXX=
F35XXXXXXXXXXXXXXXXXXXXXXXXXXXX=
F36XXXXXXXXXXXXXXXXXXXXXXXXXXXX=
F37XXXXXXXXXXXXXXXXXXXXXXXXXXXX=
F38XXXXXXXXXXXXXXXXXXXXXXXXXXXX=
F39XXXXXXXXXXXXXXXXXXXXXXXXXXXX=
');
INSERT INTO "farm_log" VALUES(2,'L	1796033069258412	1796033669258412	1	01M8NYKG6A15JHN19CBDRCF1NK	tester	10
0,0 1,0 2,0 3,0 4,0 5,0 6,0 7,0 8,0 9,0
');
INSERT INTO "farm_log" VALUES(3,'V	1796033069259433	1	01M8NYKG6A15JHN19CBDRCF1NK	4
0	a	0	0	as they say
1	a	0	0	
2	a	0	0	
3	a	0	0	
D	1796033069259433	1
');
INSERT INTO "farm_log" VALUES(4,'L	1796033069260091	1796033669260091	2	01M8NYKG6C1YBGF12X1ZJSR490	tester	5
4,2 5,2 6,2 7,2 8,2
');
CREATE TABLE features (
  name text primary key,
  rule text not null,
  changed_at bigint not null,
  changed_by text not null
);
CREATE TABLE flag_images (image TEXT NOT NULL, looked_for TEXT NOT NULL, found TEXT NOT NULL, created_at BIGINT NOT NULL, PRIMARY KEY (image, looked_for));
INSERT INTO "flag_images" VALUES('sha256:87a9c4220a17dab73cf25cb8273a3399b4bdd5ff50f3d092ee284270ab8c7c8b','FLAG
','{"holders":[],"skipped":[],"watched":{"kind":0,"path":"","facts":{"uid":0,"gid":0,"mode":420,"seconds":0,"nanos":0,"capability":""}},"files":4,"layers":1}',1796033053410274);
INSERT INTO "flag_images" VALUES('sha256:a9eb197d67f9201e882452465043f7a62f7335312fed100e3f1930f176481c32','FLAG
','{"holders":[],"skipped":[],"watched":{"kind":0,"path":"","facts":{"uid":0,"gid":0,"mode":420,"seconds":0,"nanos":0,"capability":""}},"files":4,"layers":1}',1796033053471734);
INSERT INTO "flag_images" VALUES('sha256:ae746be3f7d6c482e7f9bc31674df56e90ea3a8468e56358d4e8f6816bc30e2f','FLAG
','{"holders":[],"skipped":[],"watched":{"kind":0,"path":"","facts":{"uid":0,"gid":0,"mode":420,"seconds":0,"nanos":0,"capability":""}},"files":5,"layers":2}',1796033053571893);
INSERT INTO "flag_images" VALUES('sha256:267cd125cc970dba1649355c0d10699322993b1b1552ef7074c5718acd0570ca','FLAG
','{"holders":[],"skipped":[],"watched":{"kind":0,"path":"","facts":{"uid":0,"gid":0,"mode":420,"seconds":0,"nanos":0,"capability":""}},"files":5,"layers":2}',1796033053647373);
INSERT INTO "flag_images" VALUES('sha256:70ea9155d058533b23077071dfabde8231f80d24f8950560cfc8d4388eb304e4','FLAG
','{"holders":[{"path":"2f7777772f666c61672e747874","facts":{"uid":0,"gid":0,"mode":420,"seconds":1796032762,"nanos":0,"capability":""},"binary":false,"size":11,"content":0,"texts":[{"text":"464c41477b7761726d7d","room":0}]}],"skipped":[],"watched":{"kind":0,"path":"","facts":{"uid":0,"gid":0,"mode":420,"seconds":0,"nanos":0,"capability":""}},"files":5,"layers":2}',1796033053725412);
INSERT INTO "flag_images" VALUES('sha256:777329b77607be1ff744cff65fa6df10610ddb2042bc7157c239e4742ce6dbae','FLAG
','{"holders":[],"skipped":[],"watched":{"kind":0,"path":"","facts":{"uid":0,"gid":0,"mode":420,"seconds":0,"nanos":0,"capability":""}},"files":5,"layers":2}',1796033053797460);
CREATE TABLE flags (owner TEXT NOT NULL, template TEXT NOT NULL, flag TEXT NOT NULL, base TEXT NOT NULL, created_at BIGINT NOT NULL, PRIMARY KEY (owner, template));
INSERT INTO "flags" VALUES('01M8NYK5SC8CWH6NQACWPD7FJM','web','FLAG{824780510fe203d8c89c5dab3fc30e38}','',1796033062195620);
INSERT INTO "flags" VALUES('01M8NYK32KXZR3Q85YR1E70REQ','web','FLAG{505ffa337f5384550a2ed06723c71e7c}','',1796033063276433);
INSERT INTO "flags" VALUES('01M8NYK32KXZR3Q85YR1E70REQ','stack','FLAG{b6e51e6402593f30bab7815c7b6f41ce}','',1796033063905645);
INSERT INTO "flags" VALUES('01M8NYK32KXZR3Q85YR1E70REQ','box','FLAG{8ec410b9606d25282de470c76c2124a5}','',1796033066517467);
INSERT INTO "flags" VALUES('01M8NYK3YFJTK48CNJ04KZS3BF','echo','FLAG{76201cac9e6a6dca601489136c12392c}','',1796033067014316);
INSERT INTO "flags" VALUES('01M8NYK50928GYZ899Q2VVNGDC','warm','FLAG{warm_cf25414893d24419}','warm',1796033067426130);
INSERT INTO "flags" VALUES('01M8NYK3YFJTK48CNJ04KZS3BF','nap','FLAG{0b2d0ddfcc8a9b9e719867140efc5df3}','',1796033067428108);
INSERT INTO "flags" VALUES('01M8NYK6XAP817B5B7J8QWS8JF','stack','FLAG{24ab6224d974e1f5f182caf004bf6fbf}','',1796033070535804);
CREATE TABLE identities (
  provider text not null,
  subject text not null,
  user_id text not null references users(id),
  created_at bigint not null,
  primary key (provider, subject)
);
CREATE TABLE instances (id TEXT PRIMARY KEY, template TEXT NOT NULL, template_name TEXT NOT NULL, template_hash TEXT NOT NULL, owner TEXT NOT NULL, owner_name TEXT NOT NULL, user_id TEXT NOT NULL, team TEXT NOT NULL, cost_centre TEXT NOT NULL, state TEXT NOT NULL, reason_code TEXT NOT NULL, reason_text TEXT NOT NULL, context TEXT NOT NULL, lease TEXT NOT NULL, plan TEXT NOT NULL, timings TEXT NOT NULL, login TEXT NOT NULL, password TEXT NOT NULL, created_at BIGINT NOT NULL, started_at BIGINT NOT NULL, ended_at BIGINT NOT NULL, expires_at BIGINT NOT NULL, extensions BIGINT NOT NULL, added BIGINT NOT NULL, cpu_seconds DOUBLE PRECISION NOT NULL, memory_gib_hours DOUBLE PRECISION NOT NULL, pool TEXT NOT NULL DEFAULT '');
INSERT INTO "instances" VALUES('warm-887f3c64-35aeae67','warm','Warm','6e71e6e9f236de01f54c7d0ed60cd3111b299aaf683824e5f9972f889d67c4b4','01M8NYK50928GYZ899Q2VVNGDC','cat','01M8NYK50928GYZ899Q2VVNGDC','','ROOM','running','','','','{"name":"ctf","timeout":3600,"extend_by":600,"extend_after":1800,"extend_within":0,"max_extensions":0,"max_added":3600,"max_total":0,"by_context":{},"sweep_at":"","grace":0}','{"networks":[{"key":"","name":"before-shared-0","bridge":"tys-ff3e0","subnet":"10.222.0.0/22","gateway":"10.222.0.1","shared":true,"egress":false}],"machines":[{"service":"main","name":"before-warm-887f3c64-35aeae67-main","at":[{"network":"before-shared-0","address":"10.222.0.2","aliases":[]}]}],"volumes":[],"endpoints":[{"name":"web","machine":"main","address":"10.222.0.2","machine_port":8000,"http":true,"port":0}]}','[]','','',1796033067425692,1796033067425692,0,1796036667425692,0,0,0.0,0.0,'claimed');
INSERT INTO "instances" VALUES('warm-ae38f777-9077a668','warm','Warm','6e71e6e9f236de01f54c7d0ed60cd3111b299aaf683824e5f9972f889d67c4b4','','','','','ROOM','running','','','','{}','{"networks":[{"key":"","name":"before-shared-0","bridge":"tys-ff3e0","subnet":"10.222.0.0/22","gateway":"10.222.0.1","shared":true,"egress":false}],"machines":[{"service":"main","name":"before-warm-ae38f777-9077a668-main","at":[{"network":"before-shared-0","address":"10.222.0.3","aliases":[]}]}],"volumes":[],"endpoints":[{"name":"web","machine":"main","address":"10.222.0.3","machine_port":8000,"http":true,"port":0}]}','[]','','',1796033054318210,0,0,0,0,0,0.0,0.0,'waiting');
INSERT INTO "instances" VALUES('web-cwpd7fjm-e0bbb6e4','web','Web','d12d92769e60b0ad540f5b61ab601e918c673ae9d0f9b32bbe8404d3c5d17c78','01M8NYK5SC8CWH6NQACWPD7FJM','dan','01M8NYK5SC8CWH6NQACWPD7FJM','','ROOM','stopped','user','Stopped by its owner.','','{"name":"ctf","timeout":3600,"extend_by":600,"extend_after":1800,"extend_within":0,"max_extensions":0,"max_added":3600,"max_total":0,"by_context":{},"sweep_at":"","grace":0}','{"networks":[{"key":"","name":"before-shared-0","bridge":"tys-ff3e0","subnet":"10.222.0.0/22","gateway":"10.222.0.1","shared":true,"egress":false}],"machines":[{"service":"main","name":"before-web-cwpd7fjm-e0bbb6e4-main","at":[{"network":"before-shared-0","address":"10.222.0.4","aliases":[]}]}],"volumes":[],"endpoints":[{"name":"web","machine":"main","address":"10.222.0.4","machine_port":8000,"http":true,"port":0}]}','[{"name":"files","us":1},{"name":"volumes","us":1},{"name":"network","us":73},{"name":"flags","us":558},{"name":"machines","us":831947},{"name":"ready","us":514},{"name":"solve","us":2},{"name":"routes","us":104},{"name":"total","us":833787}]','','',1796033062194953,1796033063028740,1796033063271202,1796036663028740,0,0,0.0,0.0,'');
INSERT INTO "instances" VALUES('web-r1e70req-279439a6','web','Web','d12d92769e60b0ad540f5b61ab601e918c673ae9d0f9b32bbe8404d3c5d17c78','01M8NYK32KXZR3Q85YR1E70REQ','ann','01M8NYK32KXZR3Q85YR1E70REQ','','ROOM','running','','','','{"name":"ctf","timeout":3600,"extend_by":600,"extend_after":1800,"extend_within":0,"max_extensions":0,"max_added":3600,"max_total":0,"by_context":{},"sweep_at":"","grace":0}','{"networks":[{"key":"","name":"before-shared-0","bridge":"tys-ff3e0","subnet":"10.222.0.0/22","gateway":"10.222.0.1","shared":true,"egress":false}],"machines":[{"service":"main","name":"before-web-r1e70req-279439a6-main","at":[{"network":"before-shared-0","address":"10.222.0.5","aliases":[]}]}],"volumes":[],"endpoints":[{"name":"web","machine":"main","address":"10.222.0.5","machine_port":8000,"http":true,"port":0}]}','[{"name":"files","us":2},{"name":"volumes","us":1},{"name":"flags","us":1210},{"name":"network","us":1895},{"name":"machines","us":592867},{"name":"ready","us":2592},{"name":"solve","us":4},{"name":"routes","us":3823},{"name":"total","us":601924}]','','',1796033063275595,1796033063877522,0,1796036663877522,0,0,0.0,0.0,'');
INSERT INTO "instances" VALUES('stack-r1e70req-724ad863','stack','Stack','5019c8d960419b989cc563a93bb05c846950e5150dddde52c7259c1bddc36eb2','01M8NYK32KXZR3Q85YR1E70REQ','ann','01M8NYK32KXZR3Q85YR1E70REQ','','ROOM','running','','','','{"name":"ctf","timeout":3600,"extend_by":1800,"extend_after":1800,"extend_within":0,"max_extensions":0,"max_added":3600,"max_total":0,"by_context":{},"sweep_at":"","grace":0}','{"networks":[{"key":"outer","name":"before-stack-r1e70req-724ad863-outer","bridge":"tyn-ff3e0","subnet":"10.222.16.0/27","gateway":"10.222.16.1","shared":false,"egress":false},{"key":"inner","name":"before-stack-r1e70req-724ad863-inner","bridge":"tyn-ff3e1","subnet":"10.222.16.32/27","gateway":"10.222.16.33","shared":false,"egress":false}],"machines":[{"service":"front","name":"before-stack-r1e70req-724ad863-front","at":[{"network":"before-stack-r1e70req-724ad863-outer","address":"10.222.16.2","aliases":["front"]},{"network":"before-stack-r1e70req-724ad863-inner","address":"10.222.16.34","aliases":["front"]}]},{"service":"back","name":"before-stack-r1e70req-724ad863-back","at":[{"network":"before-stack-r1e70req-724ad863-inner","address":"10.222.16.35","aliases":["back"]}]}],"volumes":[{"key":"state","name":"before-stack-r1e70req-724ad863-state"}],"endpoints":[{"name":"front","machine":"front","address":"10.222.16.2","machine_port":8000,"http":true,"port":0}]}','[{"name":"files","us":2},{"name":"volumes","us":6153},{"name":"flags","us":6389},{"name":"network","us":112760},{"name":"machines","us":2483249},{"name":"ready","us":3885},{"name":"solve","us":3},{"name":"routes","us":360},{"name":"total","us":2604379}]','','',1796033063901357,1796033066505738,0,1796036666505738,0,0,0.0,0.0,'');
INSERT INTO "instances" VALUES('box-r1e70req-2b53c2a8','box','Box','54cf51f9b1de98793e86eb455adf3fc6fb6022a59d380e41484b37dcf3263553','01M8NYK32KXZR3Q85YR1E70REQ','ann','01M8NYK32KXZR3Q85YR1E70REQ','','ROOM','running','','','','{"name":"ctf","timeout":3600,"extend_by":1800,"extend_after":1800,"extend_within":0,"max_extensions":0,"max_added":3600,"max_total":0,"by_context":{},"sweep_at":"","grace":0}','{"networks":[{"key":"","name":"before-shared-0","bridge":"tys-ff3e0","subnet":"10.222.0.0/22","gateway":"10.222.0.1","shared":true,"egress":false}],"machines":[{"service":"main","name":"before-box-r1e70req-2b53c2a8-main","at":[{"network":"before-shared-0","address":"10.222.0.6","aliases":[]}]}],"volumes":[],"endpoints":[{"name":"port-7000","machine":"main","address":"10.222.0.6","machine_port":7000,"http":false,"port":29943}]}','[{"name":"files","us":2},{"name":"volumes","us":1},{"name":"network","us":72},{"name":"flags","us":4022},{"name":"machines","us":488826},{"name":"ready","us":289},{"name":"solve","us":2},{"name":"routes","us":844},{"name":"total","us":499375}]','','',1796033066512062,1796033067011438,0,1796036667011438,0,0,0.0,0.0,'');
INSERT INTO "instances" VALUES('echo-04kzs3bf-2898e8a2','echo','Echo','0248825dd13e43152e50c6c9747893fd66d12c0b614c2de9e0da817215b30f8e','01M8NYK3YFJTK48CNJ04KZS3BF','bob','01M8NYK3YFJTK48CNJ04KZS3BF','','ROOM','running','','','','{"name":"ctf","timeout":3600,"extend_by":1800,"extend_after":1800,"extend_within":0,"max_extensions":0,"max_added":3600,"max_total":0,"by_context":{},"sweep_at":"","grace":0}','{"networks":[{"key":"","name":"before-shared-0","bridge":"tys-ff3e0","subnet":"10.222.0.0/22","gateway":"10.222.0.1","shared":true,"egress":false}],"machines":[{"service":"main","name":"before-echo-04kzs3bf-2898e8a2-main","at":[{"network":"before-shared-0","address":"10.222.0.7","aliases":[]}]}],"volumes":[],"endpoints":[{"name":"port-1337","machine":"main","address":"10.222.0.7","machine_port":1337,"http":false,"port":29925}]}','[{"name":"files","us":1},{"name":"volumes","us":1},{"name":"network","us":120},{"name":"flags","us":476},{"name":"machines","us":408197},{"name":"ready","us":276},{"name":"solve","us":2},{"name":"routes","us":151},{"name":"total","us":409786}]','','',1796033067013634,1796033067423422,0,1796036667423422,0,0,0.0,0.0,'');
INSERT INTO "instances" VALUES('nap-04kzs3bf-54eb6992','nap','Nap','7114bbe5b258c1953f5ad32a6913019a3c60c0e9551b2fb37c954664088289e9','01M8NYK3YFJTK48CNJ04KZS3BF','bob','01M8NYK3YFJTK48CNJ04KZS3BF','','ROOM','paused','','','','{"name":"ctf","timeout":3600,"extend_by":600,"extend_after":1800,"extend_within":0,"max_extensions":0,"max_added":3600,"max_total":0,"by_context":{},"sweep_at":"","grace":0}','{"networks":[{"key":"","name":"before-shared-0","bridge":"tys-ff3e0","subnet":"10.222.0.0/22","gateway":"10.222.0.1","shared":true,"egress":false}],"machines":[{"service":"main","name":"before-nap-04kzs3bf-54eb6992-main","at":[{"network":"before-shared-0","address":"10.222.0.8","aliases":[]}]}],"volumes":[],"endpoints":[{"name":"web","machine":"main","address":"10.222.0.8","machine_port":8000,"http":true,"port":0}]}','[{"name":"files","us":1},{"name":"volumes","us":1},{"name":"network","us":45},{"name":"flags","us":362},{"name":"machines","us":765535},{"name":"ready","us":708},{"name":"solve","us":3},{"name":"routes","us":67},{"name":"total","us":767215}]','','',1796033067427605,1796033068194822,0,1796036668194822,0,0,0.0,0.0,'');
INSERT INTO "instances" VALUES('warm-dfc04809-2fe377ea','warm','Warm','6e71e6e9f236de01f54c7d0ed60cd3111b299aaf683824e5f9972f889d67c4b4','','','','','ROOM','running','','','','{}','{"networks":[{"key":"","name":"before-shared-0","bridge":"tys-ff3e0","subnet":"10.222.0.0/22","gateway":"10.222.0.1","shared":true,"egress":false}],"machines":[{"service":"main","name":"before-warm-dfc04809-2fe377ea-main","at":[{"network":"before-shared-0","address":"10.222.0.9","aliases":[]}]}],"volumes":[],"endpoints":[{"name":"web","machine":"main","address":"10.222.0.9","machine_port":8000,"http":true,"port":0}]}','[]','','',1796033067676310,0,0,0,0,0,0.0,0.0,'waiting');
INSERT INTO "instances" VALUES('web-cwpd7fjm-fa5653e3','web','Web','d12d92769e60b0ad540f5b61ab601e918c673ae9d0f9b32bbe8404d3c5d17c78','01M8NYK5SC8CWH6NQACWPD7FJM','dan','01M8NYK5SC8CWH6NQACWPD7FJM','','ROOM','stopping','admin','Stopped by staff.','','{"name":"ctf","timeout":3600,"extend_by":600,"extend_after":1800,"extend_within":0,"max_extensions":0,"max_added":3600,"max_total":0,"by_context":{},"sweep_at":"","grace":0}','{"networks":[{"key":"","name":"before-shared-0","bridge":"tys-ff3e0","subnet":"10.222.0.0/22","gateway":"10.222.0.1","shared":true,"egress":false}],"machines":[{"service":"main","name":"before-web-cwpd7fjm-fa5653e3-main","at":[{"network":"before-shared-0","address":"10.222.0.10","aliases":[]}]}],"volumes":[],"endpoints":[{"name":"web","machine":"main","address":"10.222.0.10","machine_port":8000,"http":true,"port":0}]}','[{"name":"files","us":1},{"name":"volumes","us":1},{"name":"network","us":72},{"name":"flags","us":1162},{"name":"machines","us":845443},{"name":"ready","us":5633},{"name":"solve","us":3},{"name":"routes","us":74},{"name":"total","us":853063}]','','',1796033069260806,1796033070113869,0,1796036670113869,0,0,0.01915463,0.0,'');
INSERT INTO "instances" VALUES('stack-j8qws8jf-6e30b2fa','stack','Stack','5019c8d960419b989cc563a93bb05c846950e5150dddde52c7259c1bddc36eb2','01M8NYK6XAP817B5B7J8QWS8JF','eve','01M8NYK6XAP817B5B7J8QWS8JF','','ROOM','preparing','','','','{"name":"ctf","timeout":3600,"extend_by":1800,"extend_after":1800,"extend_within":0,"max_extensions":0,"max_added":3600,"max_total":0,"by_context":{},"sweep_at":"","grace":0}','{"networks":[{"key":"outer","name":"before-stack-j8qws8jf-6e30b2fa-outer","bridge":"tyn-ff3e2","subnet":"10.222.16.64/27","gateway":"10.222.16.65","shared":false,"egress":false},{"key":"inner","name":"before-stack-j8qws8jf-6e30b2fa-inner","bridge":"tyn-ff3e3","subnet":"10.222.16.96/27","gateway":"10.222.16.97","shared":false,"egress":false}],"machines":[{"service":"front","name":"before-stack-j8qws8jf-6e30b2fa-front","at":[{"network":"before-stack-j8qws8jf-6e30b2fa-outer","address":"10.222.16.66","aliases":["front"]},{"network":"before-stack-j8qws8jf-6e30b2fa-inner","address":"10.222.16.98","aliases":["front"]}]},{"service":"back","name":"before-stack-j8qws8jf-6e30b2fa-back","at":[{"network":"before-stack-j8qws8jf-6e30b2fa-inner","address":"10.222.16.99","aliases":["back"]}]}],"volumes":[{"key":"state","name":"before-stack-j8qws8jf-6e30b2fa-state"}],"endpoints":[{"name":"front","machine":"front","address":"10.222.16.66","machine_port":8000,"http":true,"port":0}]}','[]','','',1796033070519830,0,0,0,0,0,0.0,0.0,'');
CREATE TABLE invitations (
  id text primary key,
  hash text not null unique,
  kind text not null,
  role text not null,
  team_id text references teams(id),
  uses_left integer not null,
  created_by text not null,
  created_at bigint not null,
  expires_at bigint not null
);
CREATE TABLE job_firings (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, node TEXT NOT NULL, first_job BIGINT NOT NULL, last_job BIGINT NOT NULL, finished_at BIGINT NOT NULL, count INTEGER NOT NULL, body TEXT NOT NULL);
INSERT INTO "job_firings" VALUES(1839137851717324948,'events.retention','vm-f171da',1839137846590489748,1839137846590489748,1796033058317594,1,'[[1839137846590489748,1796033058311026,6259,309,1,""]]');
CREATE TABLE job_kinds (kind TEXT PRIMARY KEY, paused_by TEXT NOT NULL, paused_at BIGINT NOT NULL);
CREATE TABLE job_workers (worker INTEGER PRIMARY KEY, node TEXT NOT NULL, seen_until BIGINT NOT NULL);
INSERT INTO "job_workers" VALUES(1839137864155262304,'vm-f171da',253402300799000000);
CREATE TABLE jobs (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, due BIGINT NOT NULL, priority INTEGER NOT NULL, lane TEXT NOT NULL DEFAULT '', unique_key TEXT NOT NULL DEFAULT '', bundle TEXT NOT NULL DEFAULT '', payload TEXT NOT NULL, schedule TEXT NOT NULL DEFAULT '', made_at BIGINT NOT NULL, state INTEGER NOT NULL DEFAULT 0, claim BIGINT NOT NULL DEFAULT 0, claimed_at BIGINT NOT NULL DEFAULT 0, moved INTEGER NOT NULL DEFAULT 0, attempt INTEGER NOT NULL DEFAULT 0, unsure INTEGER NOT NULL DEFAULT 0, round BIGINT NOT NULL DEFAULT 0, error TEXT NOT NULL DEFAULT '');
INSERT INTO "jobs" VALUES(1839137846590489748,'events.retention',1796033075481359,0,'','hourly','','','every 3600000 ms',1796033053311026,0,0,1796033058304036,0,0,0,1,'');
INSERT INTO "jobs" VALUES(1839137846590492820,'labs.sweep',1796033653311028,0,'','sweep','','','every 600000 ms',1796033053311028,0,0,0,0,0,0,0,'');
INSERT INTO "jobs" VALUES(1839137846590493844,'farm.retention',1796033653311029,0,'','forget','','','every 600000 ms',1796033053311029,0,0,0,0,0,0,0,'');
INSERT INTO "jobs" VALUES(1839137857414677652,'labs.lease-end',1796036663877522,0,'','web-r1e70req-279439a6','','web-r1e70req-279439a6','',1796033063881521,0,0,0,0,0,0,0,'');
INSERT INTO "jobs" VALUES(1839137860105420948,'labs.lease-end',1796036666505738,0,'','stack-r1e70req-724ad863','','stack-r1e70req-724ad863','',1796033066509200,0,0,0,0,0,0,0,'');
INSERT INTO "jobs" VALUES(1839137860620016788,'labs.lease-end',1796036667011438,0,'','box-r1e70req-2b53c2a8','','box-r1e70req-2b53c2a8','',1796033067011735,0,0,0,0,0,0,0,'');
INSERT INTO "jobs" VALUES(1839137861041875092,'labs.lease-end',1796036667423422,0,'','echo-04kzs3bf-2898e8a2','','echo-04kzs3bf-2898e8a2','',1796033067423706,0,0,0,0,0,0,0,'');
INSERT INTO "jobs" VALUES(1839137861044071572,'labs.lease-end',1796036667425692,0,'','warm-887f3c64-35aeae67','','warm-887f3c64-35aeae67','',1796033067425851,0,0,0,0,0,0,0,'');
INSERT INTO "jobs" VALUES(1839137861834294420,'labs.lease-end',1796036668194822,0,'','nap-04kzs3bf-54eb6992','','nap-04kzs3bf-54eb6992','',1796033068197554,0,0,0,0,0,0,0,'');
CREATE TABLE limit_changes (
  limiter text primary key,
  burst bigint not null,
  rate bigint not null,
  per_day bigint not null,
  changed_by text not null
);
CREATE TABLE links (
  hash text primary key,
  user_id text not null references users(id),
  created_at bigint not null,
  expires_at bigint not null,
  used_at bigint
, purpose text not null default 'sign-in');
INSERT INTO "links" VALUES('004124291992344e39d26d5dbf158b821b258635ddb001ddc404fbddc4e78d6d','01M8NYK0ME158D7C0K0YNHA864',1796033070488311,1796119470488311,NULL,'sign-in');
CREATE TABLE notice_cursor (id INTEGER PRIMARY KEY CHECK (id = 1), seq BIGINT NOT NULL);
INSERT INTO "notice_cursor" VALUES(1,0);
CREATE TABLE notices (id TEXT PRIMARY KEY, channel TEXT NOT NULL, mark TEXT NOT NULL, kind TEXT NOT NULL, payload TEXT NOT NULL, tries INTEGER NOT NULL, alone INTEGER NOT NULL, created_at BIGINT NOT NULL, next_at BIGINT NOT NULL);
CREATE TABLE ports (owner TEXT NOT NULL, template TEXT NOT NULL, machine_port INTEGER NOT NULL, port INTEGER NOT NULL, PRIMARY KEY (owner, template, machine_port));
INSERT INTO "ports" VALUES('01M8NYK32KXZR3Q85YR1E70REQ','box',7000,29943);
INSERT INTO "ports" VALUES('01M8NYK3YFJTK48CNJ04KZS3BF','echo',1337,29925);
CREATE TABLE realtime_epoch (id INTEGER PRIMARY KEY CHECK (id = 1), epoch TEXT NOT NULL);
INSERT INTO "realtime_epoch" VALUES(1,'fb698ba6');
CREATE TABLE realtime_sessions (pid TEXT PRIMARY KEY, user_id TEXT NOT NULL, rooms TEXT NOT NULL, at BIGINT NOT NULL);
CREATE TABLE schema_migrations (number INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at BIGINT NOT NULL);
INSERT INTO "schema_migrations" VALUES(1,'instances',1796033053019870);
INSERT INTO "schema_migrations" VALUES(2,'pool',1796033053024150);
INSERT INTO "schema_migrations" VALUES(3,'pace',1796033053037966);
INSERT INTO "schema_migrations" VALUES(100,'identity',1796033053045827);
INSERT INTO "schema_migrations" VALUES(101,'identity: providers, invitations, scopes',1796033053054422);
INSERT INTO "schema_migrations" VALUES(102,'identity: when a session''s owner was last proved',1796033053061657);
INSERT INTO "schema_migrations" VALUES(200,'flags',1796033053077682);
INSERT INTO "schema_migrations" VALUES(300,'event log',1796033053090615);
INSERT INTO "schema_migrations" VALUES(400,'limit changes',1796033053099287);
INSERT INTO "schema_migrations" VALUES(450,'features',1796033053105453);
INSERT INTO "schema_migrations" VALUES(500,'notices',1796033053117694);
INSERT INTO "schema_migrations" VALUES(600,'jobs',1796033053121710);
INSERT INTO "schema_migrations" VALUES(650,'rooms',1796033053130572);
INSERT INTO "schema_migrations" VALUES(700,'farm log',1796033053137501);
CREATE TABLE sessions (
  id text primary key,
  user_id text not null references users(id),
  strategy text not null,
  address text not null,
  token_id text,
  created_at bigint not null,
  last_seen_at bigint not null,
  expires_at bigint not null
, agent text, proved_at bigint);
INSERT INTO "sessions" VALUES('7d44e89d6a142302a85c048cdde35a00d1b7cb53acccafd5ca36c562aea45e73','01M8NYK32KXZR3Q85YR1E70REQ','local','127.0.0.1',NULL,1796033056217549,1796033056217549,1796637856217549,NULL,1796033056217549);
INSERT INTO "sessions" VALUES('043f8cac88af29e1ae4a5e50b6332e04be345ae22b51ec9177c2b97fbe18effc','01M8NYK3YFJTK48CNJ04KZS3BF','local','127.0.0.1',NULL,1796033057300475,1796033057300475,1796637857300475,NULL,1796033057300475);
INSERT INTO "sessions" VALUES('252c488059e1d9e5b664fac141fc1d06492b94e0150f57c6dcf654839134a8c7','01M8NYK50928GYZ899Q2VVNGDC','local','127.0.0.1',NULL,1796033058253316,1796033058253316,1796637858253316,NULL,1796033058253316);
INSERT INTO "sessions" VALUES('c09a9d0bff40602a74e8732d19606d7f187a3dc5d91c3c19adadfb7b31280948','01M8NYK5SC8CWH6NQACWPD7FJM','local','127.0.0.1',NULL,1796033059145331,1796033059145331,1796637859145331,NULL,1796033059145331);
INSERT INTO "sessions" VALUES('1aa55c2efe14f241f580ebc5675fac5b29413015ad9c3f7bdf873fb0375fdfa3','01M8NYK6XAP817B5B7J8QWS8JF','local','127.0.0.1',NULL,1796033060364154,1796033060364154,1796637860364154,NULL,1796033060364154);
INSERT INTO "sessions" VALUES('fcfddbd6b874dba27bbaddb5faad5bb17cb5a9ab7bbfd1b750596ed722a9e6f6','01M8NYK8EX1FP07Q21VKGFZFWM','local','127.0.0.1',NULL,1796033062189336,1796033062189336,1796637862189336,NULL,1796033062189336);
CREATE TABLE spawn_pace (name TEXT PRIMARY KEY, value DOUBLE PRECISION NOT NULL);
INSERT INTO "spawn_pace" VALUES('limit',4.0);
INSERT INTO "spawn_pace" VALUES('slowdown.1',9.13694323470410130205e-01);
INSERT INTO "spawn_pace" VALUES('weight.web',7.78111809397312059743e-01);
INSERT INTO "spawn_pace" VALUES('slowdown.2',1.51358241490717859711e+00);
INSERT INTO "spawn_pace" VALUES('weight.box',5.41829532353478193762e-01);
INSERT INTO "spawn_pace" VALUES('weight.echo',0.448790917779276);
INSERT INTO "spawn_pace" VALUES('weight.nap',5.54546582809939625491e-01);
INSERT INTO "spawn_pace" VALUES('weight.stack',2.85153333568278055665e+00);
INSERT INTO "spawn_pace" VALUES('weight.warm',6.04367300314780586667e-01);
CREATE TABLE store_heartbeat (id INTEGER PRIMARY KEY CHECK (id = 1), beat_at BIGINT NOT NULL);
INSERT INTO "store_heartbeat" VALUES(1,1796033070505350);
CREATE TABLE talk (seq INTEGER PRIMARY KEY, room TEXT NOT NULL, sender TEXT NOT NULL, name TEXT NOT NULL, at BIGINT NOT NULL, body TEXT NOT NULL);
CREATE TABLE talk_rooms (room TEXT PRIMARY KEY, kept BIGINT NOT NULL, trimmed BIGINT NOT NULL);
CREATE TABLE talk_sequence (id INTEGER PRIMARY KEY CHECK (id = 1), last BIGINT NOT NULL);
INSERT INTO "talk_sequence" VALUES(1,0);
CREATE TABLE team_identities (
  provider text not null,
  subject text not null,
  team_id text not null references teams(id),
  primary key (provider, subject)
);
CREATE TABLE teams (
  id text primary key,
  name text not null,
  name_key text not null unique,
  created_at bigint not null
, deleted_at bigint);
CREATE TABLE template_overrides (template TEXT PRIMARY KEY, change TEXT NOT NULL);
INSERT INTO "template_overrides" VALUES('echo','{"max_instances":7}');
CREATE TABLE template_starts (template TEXT PRIMARY KEY, usual BIGINT NOT NULL);
INSERT INTO "template_starts" VALUES('stack',2604379);
INSERT INTO "template_starts" VALUES('box',499375);
INSERT INTO "template_starts" VALUES('echo',409786);
INSERT INTO "template_starts" VALUES('nap',767215);
INSERT INTO "template_starts" VALUES('web',790878);
CREATE TABLE tokens (
  id text primary key,
  hash text not null unique,
  user_id text not null references users(id),
  name text not null,
  created_at bigint not null,
  last_used_at bigint,
  expires_at bigint
, scopes text);
INSERT INTO "tokens" VALUES('01M8NYK99F5VYC7ZDADGH08Z39','120ebf759584f017b717f8070d6e44d584f668a64206dde43a761193f431b06e','01M8NYK32KXZR3Q85YR1E70REQ','kept',1796033062191980,NULL,NULL,NULL);
CREATE TABLE used_states (
  hash text primary key,
  expires_at bigint not null
);
CREATE TABLE users (
  id text primary key,
  name text not null,
  name_key text not null,
  kind text not null,
  role text not null,
  team_id text references teams(id),
  password_hash text,
  created_at bigint not null,
  last_sign_in_at bigint,
  disabled_at bigint,
  deleted_at bigint
, email text, email_key text);
INSERT INTO "users" VALUES('01M8NYK0ME158D7C0K0YNHA864','admin','user:admin','user','admin',NULL,NULL,1796033053326014,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "users" VALUES('01M8NYK32KXZR3Q85YR1E70REQ','ann','user:ann','user','player',NULL,'$argon2id$v=19$m=65536,t=3,p=1$VvmIkVa+6B68T1aaxMBY7Q$rAynQ/vGVPVEs0Fz6wtE/mHmvFr/ReyExLedAixl1eg',1796033055827804,1796033056217549,NULL,NULL,NULL,NULL);
INSERT INTO "users" VALUES('01M8NYK3YFJTK48CNJ04KZS3BF','bob','user:bob','user','player',NULL,'$argon2id$v=19$m=65536,t=3,p=1$Xg6i9jyS5v5HXFWoOupGZQ$XA1FisuxPdos1NE/7Ins3oK8KUw7YB4o+snLs7JV1+M',1796033056719194,1796033057300475,NULL,NULL,NULL,NULL);
INSERT INTO "users" VALUES('01M8NYK50928GYZ899Q2VVNGDC','cat','user:cat','user','author',NULL,'$argon2id$v=19$m=65536,t=3,p=1$9EKPfwMFlxeaA2S2GxDTyw$JKcf3hCbi55RRJs7LsgwKWcb8/2uioNiQkeARUe+CW4',1796033057801292,1796033058253316,NULL,NULL,NULL,NULL);
INSERT INTO "users" VALUES('01M8NYK5SC8CWH6NQACWPD7FJM','dan','user:dan','user','player',NULL,'$argon2id$v=19$m=65536,t=3,p=1$/WSP7TUP66l50VvsniygGw$+gZsRqvVgdokM41p6T0bxc8TwlMudX5OQJh0jzCbllE',1796033058604637,1796033059145331,NULL,NULL,NULL,NULL);
INSERT INTO "users" VALUES('01M8NYK6XAP817B5B7J8QWS8JF','eve','user:eve','user','player',NULL,'$argon2id$v=19$m=65536,t=3,p=1$FC78Si3JnQoJ5zqgXKOVTA$JtbfdYBIRmjUkpo+t7ezw5TaDPJNCMhSXO8oz5c1iZc',1796033059754592,1796033060364154,NULL,NULL,NULL,NULL);
INSERT INTO "users" VALUES('01M8NYK8EX1FP07Q21VKGFZFWM','fay','user:fay','user','player',NULL,'$argon2id$v=19$m=65536,t=3,p=1$zLoMrQcSJO/s/beN3PZgfg$/URrhl9kKUpOVfbKtumnXCWHi7HIAB5X4AQg3uWCMXo',1796033061341345,1796033062189336,NULL,NULL,NULL,NULL);
CREATE INDEX instances_live ON instances (state) WHERE state NOT IN ('stopped', 'failed');
CREATE INDEX instances_owner ON instances (owner, created_at);
CREATE INDEX instances_created ON instances (created_at);
CREATE UNIQUE INDEX instances_twin ON instances (owner, template) WHERE state NOT IN ('stopped', 'failed') AND pool <> 'waiting';
CREATE UNIQUE INDEX users_name_key on users(name_key) where deleted_at is null;
CREATE INDEX sessions_user on sessions(user_id);
CREATE INDEX sessions_token on sessions(token_id);
CREATE INDEX sessions_expires on sessions(expires_at);
CREATE INDEX tokens_user on tokens(user_id);
CREATE INDEX links_user on links(user_id)
;
CREATE UNIQUE INDEX users_email_key on users(email_key) where deleted_at is null and email_key is not null;
CREATE INDEX users_team on users(team_id);
CREATE INDEX identities_user on identities(user_id);
CREATE INDEX invitations_team on invitations(team_id);
CREATE UNIQUE INDEX flags_flag ON flags (flag);
CREATE INDEX events_kind ON events (kind, seq);
CREATE INDEX events_subject ON events (subject, seq);
CREATE INDEX events_owner ON events (owner, seq);
CREATE INDEX events_actor ON events (actor, seq);
CREATE INDEX events_actor_id ON events (actor_id, seq);
CREATE INDEX events_at ON events (at, seq);
CREATE UNIQUE INDEX notices_mark ON notices (mark);
CREATE INDEX notices_due ON notices (channel, next_at);
CREATE UNIQUE INDEX jobs_unique ON jobs (kind, unique_key) WHERE unique_key <> '' AND state = 0;
CREATE INDEX jobs_lane ON jobs (kind, lane, id) WHERE lane <> '' AND state = 0;
CREATE INDEX jobs_bundle ON jobs (bundle, kind) WHERE bundle <> '';
CREATE INDEX jobs_dead ON jobs (kind, id) WHERE state = 1;
CREATE INDEX job_firings_of ON job_firings (last_job, first_job);
CREATE INDEX talk_room ON talk (room, seq);
CREATE INDEX realtime_sessions_user ON realtime_sessions (user_id, at);
CREATE INDEX realtime_sessions_at ON realtime_sessions (at);
COMMIT;
