//! The rules of names, in the order in which they are asked.
//!
//! Promises: a row says all there is to know of a rule. Of two rows with one first byte the first that fits wins, so
//! the longer marker stands first. Deliberately not here: code.

use super::Rule;
use super::find::*;
use super::{Version, Versions};

/// A row for a place in code only.
const fn at_place(
    name: &'static str,
    marker: &'static str,
    find: Find,
    before: &'static str,
    after: &'static str,
) -> Rule {
    Rule { name, marker, find, anywhere: false, versions: Versions::ALL, example: (before, after) }
}

/// A row for names wherever they stand, messages included.
const fn anywhere(
    name: &'static str,
    marker: &'static str,
    find: Find,
    before: &'static str,
    after: &'static str,
) -> Rule {
    Rule { name, marker, find, anywhere: true, versions: Versions::ALL, example: (before, after) }
}

type Find = fn(&super::Site<'_>) -> Option<super::Edit>;

#[rustfmt::skip]
pub(in crate::normalize) const RULES: &[Rule] = &[
    // The JVM: classes made at run time.
    anywhere("cglib", "$$EnhancerBy", tail, "a.Pay$$EnhancerBySpringCGLIB$$1a2b3c4d.save", "a.Pay.save"),
    anywhere("cglib-fast-class", "$$FastClassBy", tail, "a.Pay$$FastClassBySpringCGLIB$$9e.save", "a.Pay.save"),
    anywhere("cglib", "$$SpringCGLIB$$", tail, "a.Pay$$SpringCGLIB$$0.save", "a.Pay.save"),
    anywhere("hidden-lambda", "$$Lambda", hidden_lambda, "a.Pay$$Lambda$14/0x00007f31c4.run", "a.Pay.run"),
    anywhere("scala-anonfun", "$anonfun$", anonfun, "a.Dao$$anonfun$insert$4.apply", "a.Dao.insert"),
    anywhere("hibernate-proxy", "$HibernateProxy$", tail, "a.Order$HibernateProxy$AbC12x.getId", "a.Order.getId"),
    anywhere("byte-buddy", "$ByteBuddy$", tail, "a.Log$ByteBuddy$loYzi6R3", "a.Log"),
    anywhere("mockito-mock", "$MockitoMock$", tail, "a.Gate$MockitoMock$1234567.open", "a.Gate.open"),
    anywhere("weld-proxy", "$Proxy$_$$_", weld, "a.Cart$303277$Proxy$_$$_WeldClientProxy.add", "a.Cart.add"),
    anywhere("jdk-proxy", "$Proxy", number, "$Proxy45.save", "$Proxy.save"),
    anywhere("javassist", "_$$_", tail, "a.User_$$_jvst1a2_0.getName", "a.User.getName"),
    anywhere("client-proxy", "_ClientProxy", suffix, "a.Cart_ClientProxy.add", "a.Cart.add"),
    anywhere("subclass-proxy", "_Subclass", suffix, "a.Cart_Subclass.add", "a.Cart.add"),
    anywhere("jdk-proxy-package", "jdk.proxy", proxy_package, "jdk.proxy3/jdk.proxy2.$Proxy.get", "$Proxy.get"),
    anywhere("jdk-proxy-package", "com.sun.proxy.", loader, "com.sun.proxy.$Proxy.get", "$Proxy.get"),
    at_place("reflection-accessor", "MethodAccessor", number, "GeneratedMethodAccessor87.invoke", "GeneratedMethodAccessor.invoke"),
    at_place("reflection-accessor", "ConstructorAccessor", number, "GeneratedConstructorAccessor9.newInstance", "GeneratedConstructorAccessor.newInstance"),
    anywhere("hidden-class", "/0x", hidden_class, "java.lang.invoke.LambdaForm$MH/0x0000000800c01.invoke", "java.lang.invoke.LambdaForm$MH.invoke"),
    // The JVM: what compilers make.
    anywhere("java-lambda", "lambda$", lambda_method, "a.Pay.lambda$save$3", "a.Pay.save"),
    at_place("kotlin-suspend", ".invokeSuspend", kotlin_body, "a.Sub$pause$4.invokeSuspend", "a.Sub.pause"),
    at_place("kotlin-lambda", ".invoke", kotlin_body, "a.Sub$list$1.invoke", "a.Sub.list"),
    at_place("kotlin-companion", "$Companion", suffix, "a.Sub$Companion.of", "a.Sub.of"),
    at_place("kotlin-default", "$default", suffix, "a.Sub.of$default", "a.Sub.of"),
    at_place("groovy-closure", "_closure", groovy_closure, "a.Job$_run_closure3.doCall", "a.Job.run"),
    at_place("clojure-fn", "$fn__", numbered, "app.core$fn__123.invoke", "app.core.invoke"),
    at_place("scala-object", "$.", scala_object, "a.Autodiff$.grad", "a.Autodiff.grad"),
    at_place("jvm-module", "java.", jvm_module, "java.base/java.util.List.of", "java.util.List.of"),
    at_place("jvm-module", "jdk.", jvm_module, "jdk.httpserver@21.0.2/sun.net.Req.read", "sun.net.Req.read"),
    at_place("class-loader", "app//", loader, "app//a.Pay.save", "a.Pay.save"),
    at_place("packaging", " ~[", packaging, "a.Pay.save ~[pay-1.2.jar!/:1.2]", "a.Pay.save"),
    at_place("packaging", " [", packaging, "a.Pay.save [classes/:na]", "a.Pay.save"),
    // .NET, Go, Rust, PHP, Ruby, JavaScript, Python.
    anywhere("csharp-state-machine", ">d__", csharp_body, "A.Store.<SaveAsync>d__21.MoveNext", "A.Store.SaveAsync"),
    anywhere("csharp-lambda", ">b__", csharp_body, "A.Store.<Save>b__0_1", "A.Store.Save"),
    anywhere("csharp-local", ">g__", csharp_local, "A.Store.<Save>g__Check|5_0", "A.Store.Save.Check"),
    anywhere("csharp-display-class", "<>c", csharp_display, "A.Store.<>c__DisplayClass1_0.Save", "A.Store.Save"),
    at_place("csharp-file", " in ", csharp_file, "A.Store.Save in /src/Store.cs", "A.Store.Save"),
    at_place("go-closure", ".func", go_closure, "svc.(*Service).Run.func1.2", "svc.(*Service).Run"),
    at_place("go-closure", ".gowrap", go_closure, "svc.Run.gowrap1", "svc.Run"),
    at_place("go-file", ".go:", go_file, "svc.(*Service).Run /build/svc/svc.go:52", "svc.(*Service).Run"),
    at_place("go-method-value", "-fm", suffix, "svc.(*Service).Run-fm", "svc.(*Service).Run"),
    anywhere("rust-hash", "::h", symbol_hash, "engine::handle::h12d6a65139f66228", "engine::handle"),
    anywhere("rust-closure", "::{{closure", braced, "engine::handle::{{closure}}", "engine::handle"),
    anywhere("rust-closure", "::{closure", braced, "engine::handle::{closure#0}", "engine::handle"),
    anywhere("php-closure", "{closure", braced, "App\\Job->{closure:/app/Job.php:12}", "App\\Job->"),
    anywhere("php-anonymous", "@anonymous", anonymous_class, "class@anonymous /app/F.php:62$0b9::toHtml", "class@anonymous::toHtml"),
    at_place("ruby-block", "block ", ruby_block, "app/user.rb:in `block (2 levels) in save'", "app/user.rb:in `save'"),
    at_place("ruby-template", "_erb__", template_method, "_show_html_erb___7361_254", "_show_html_erb"),
    at_place("bundle-hash", ".js", bundle_hash, "render (js/main.4ae43ac6.js)", "render (js/main.js)"),
    at_place("bundle-hash", ".mjs", bundle_hash, "render (js/chunk-B7XQ2K9P.mjs)", "render (js/chunk.mjs)"),
    at_place("release", "releases/", release, "/srv/releases/20240501/app.rb", "/srv/releases/app.rb"),
    at_place("compiled-view", "views/", compiled_view, "storage/views/9f86d081884c7d659a2feaa0c55ad015.php", "storage/views/{hash}.php"),
    at_place("library-version", "@v", version, "github.com/a/b@v1.2.3/c.Get", "github.com/a/b/c.Get"),
    at_place("interpreter-version", "python", interpreter, "lib/python3.11/json/decoder.py", "lib/python/json/decoder.py"),
    // Every language: where in the file, where in memory.
    at_place("at-prefix", "at ", opening, "at a.Pay.save", "a.Pay.save"),
    at_place("async-prefix", "async ", opening, "async Pay.save", "Pay.save"),
    at_place("file-and-line", "(", parenthesis, "a.Pay.save(Pay.java:87)", "a.Pay.save"),
    at_place("line-number", ":", line, "app/pay.js:12:5", "app/pay.js"),
    at_place("line-number", "line ", line_word, "pay.py, line 12", "pay.py"),
    at_place("identity-hash", "@", identity_hash, "a.Pay@1a2b3c4d.save", "a.Pay.save"),
    at_place("address", "0x", address, "svc.Run +0xe02e", "svc.Run"),
    at_place("thread", " thread=", thread, "codec::decode thread=main", "codec::decode"),
    at_place("assignment", "=", assignment, "codec::decode id=5757", "codec::decode"),
];
