# ruff: noqa: E501 - shader text is read by column, not wrapped
"""GLSL of the renderer: lit surfaces for the static world and for what moves, and the passes that compose a frame."""

COMMON = """
uniform vec3 sun, sunc, zenith, horizon, fogc, streetc, eye;
uniform float ambient, clouds, fogd, wet, street, lampv;
uniform sampler2D noise_tex;
const int NL = 8;
uniform vec3 posts[NL];
float noise(vec2 p) { return texture(noise_tex, p).r; }
vec3 sky(vec3 d) {
  float h = clamp(d.z, 0.0, 1.0);
  vec3 c = mix(horizon, zenith, pow(h, 0.5));
  c += sunc * (0.10 * pow(max(dot(d, sun), 0.0), 24.0) + 0.6 * pow(max(dot(d, sun), 0.0), 600.0));
  vec2 uv = d.xy / (h + 0.15) * 0.09;
  float n = noise(uv) * 0.6 + noise(uv * 3.1) * 0.3 + noise(uv * 7.7) * 0.1;
  float k = smoothstep(1.0 - clouds * 0.75, 1.25 - clouds * 0.6, n + 0.28) * smoothstep(0.0, 0.2, d.z);
  return mix(c, vec3(dot(horizon, vec3(0.34))) * 1.15 + sunc * 0.10, k * 0.85);
}
vec3 plain_sky(vec3 d) { return mix(horizon, zenith, sqrt(clamp(d.z, 0.0, 1.0))) ; }
vec3 hemi(vec3 n) {
  vec3 up = mix(horizon, zenith, 0.45), down = horizon * 0.28 + sunc * 0.035 * max(sun.z, 0.0);
  return mix(down, up, n.z * 0.5 + 0.5) * ambient;
}
vec3 posts_light(vec3 p, vec3 n) {
#ifndef STREET
  return vec3(0);
#else
  float e = 0.0;
  for (int i = 0; i < NL; i++) {
    vec3 l = posts[i] - p; float d2 = dot(l, l); l *= inversesqrt(d2);
    e += (max(dot(n, l), 0.0) + 0.08) * smoothstep(0.05, 0.75, l.z) / (d2 + 12.0);
  }
  return streetc * (street * 26.0 * e);
#endif
}
vec3 fogged(vec3 c, float d) { return mix(fogc, c, exp(-d * fogd)); }
"""

SURFACE_VERTEX = """
in vec3 pos; in vec3 nrm; in vec3 col; in vec4 att;
uniform mat4 VP, M; uniform vec3 paint1, paint2; uniform float lamps[8];
out vec3 wp, n, albedo; out float gloss, glow, seed; flat out int mat;
void main() {
  vec4 w = M * vec4(pos, 1.0); wp = w.xyz; n = mat3(M) * nrm;
  albedo = col; seed = att.x;
  if (PAINTED == 1) { if (att.x > 1.5) albedo = paint2; else if (att.x > 0.5) albedo = paint1; }
  gloss = att.y; mat = int(att.z + 0.5); glow = lamps[int(att.w + 0.5)];
  gl_Position = VP * w;
}
"""

STATIC_FRAGMENT = """
uniform sampler2DShadow shadow_static; uniform mat4 L; uniform float street_glow; uniform float lane_m; uniform vec2 lane_span;
in vec3 wp, n, albedo; in float gloss, glow, seed; flat in int mat;
layout(location = 0) out vec4 o_ambient; layout(location = 1) out vec4 o_direct; layout(location = 2) out vec4 o_albedo;
float lit(vec3 p, vec3 nn) {
  vec4 q = L * vec4(p + nn * 0.05, 1.0); vec3 s = q.xyz * 0.5 + 0.5; s.z -= 0.0007;
  if (s.x < 0.0 || s.y < 0.0 || s.x > 1.0 || s.y > 1.0) return 1.0;
  float r = 0.0;
  for (int i = -1; i <= 1; i++) for (int j = -1; j <= 1; j++) r += texture(shadow_static, s + vec3(i, j, 0.0) * vec3(TEXEL, TEXEL, 0.0));
  return r / 9.0;
}
void main() {
  vec3 N = normalize(n), V = normalize(eye - wp); vec3 a = albedo; float g = gloss, ground = 0.0, rough = 0.0; vec3 emit = vec3(0.0);
  vec2 p = wp.xy;
#if MAT == 1
  {
    float big = noise(p * 0.013), mid = noise(p * 0.09 + 0.3), fine = noise(p * 0.9), grit = noise(p * 3.7);
    a *= 0.55 + 0.35 * big + 0.25 * mid + 0.22 * fine + 0.28 * grit;
    float lane = (abs(p.x) - lane_span.x) / lane_m; float across = abs(fract(lane) - 0.5) * lane_m;
    float inroad = step(lane_span.y, p.x) * step(p.x, lane_span.x + lane_m * 8.0);
    a *= 1.0 - 0.16 * exp(-pow((across - 0.8) / 0.28, 2.0)) * (0.5 + mid);
    a *= 1.0 - 0.20 * exp(-pow(across / 0.22, 2.0)) * mid * step(p.y, 0.0);
    float crack = abs(noise(p * 0.05 + 0.17) - 0.5); a *= 1.0 - 0.45 * (1.0 - smoothstep(0.0, 0.008, crack)) * step(0.55, big + 0.1 * mid);
    ground = 1.0;
  }
#elif MAT == 2
  {
    vec2 s = abs(fract(p / vec2(0.6, 0.6)) - 0.5); float joint = smoothstep(0.46, 0.49, max(s.x, s.y));
    vec2 id = floor(p / 0.6); float pick = noise(id * 0.137);
    a *= (0.70 + 0.35 * pick + 0.25 * noise(p * 0.12) + 0.12 * noise(p * 2.3)) * (1.0 - 0.3 * joint * smoothstep(70.0, 15.0, length(eye - wp)));
    ground = 0.45;
  }
#elif MAT == 3
  {
    float v = noise(p * 0.03) * 0.5 + noise(p * 0.31) * 0.3 + noise(p * 1.9) * 0.5;
    a *= 0.35 + v; a = mix(a, a * vec3(1.5, 1.15, 0.7), noise(p * 0.017 + 0.5) * 0.7);
  }
#elif MAT == 6
  {
    float wear = noise(p * 0.45) * 0.6 + noise(p * 2.6) * 0.55; a *= 0.72 + 0.3 * noise(p * 0.11);
    a = mix(vec3(0.12), a, smoothstep(0.28, 0.46, wear)); ground = 0.8;
  }
#elif MAT == 4
  {
    float s1 = fract(seed * 7.31), s2 = fract(seed * 17.7), s3 = fract(seed * 41.3);
    float u = abs(N.x) > 0.5 ? wp.y : wp.x; vec2 cell = vec2(mix(1.9, 3.6, s1), mix(2.9, 3.5, s2));
    vec2 uv = vec2(u, wp.z - 0.5) / cell; vec2 f = fract(uv), id = floor(uv);
    vec2 half_ = vec2(mix(0.22, 0.42, s3), mix(0.24, 0.36, s1)); vec2 d = abs(f - 0.5) - half_;
    float pane = 1.0 - smoothstep(-0.01, 0.01, max(d.x, d.y)); float frame = 1.0 - smoothstep(0.015, 0.035, abs(max(d.x, d.y)));
    float dirt = 0.75 + 0.25 * noise(vec2(u, wp.z) * 0.05) + 0.18 * noise(vec2(u, wp.z) * 0.7);
    if (s2 > 0.6) { vec2 b = vec2(u / 0.25 + 0.5 * mod(floor(wp.z / 0.09), 2.0), wp.z / 0.09); vec2 e = abs(fract(b) - 0.5); a *= 1.0 - 0.22 * step(0.42, max(e.x * 0.98, e.y)); }
    a *= dirt * mix(0.75, 1.0, smoothstep(0.0, 1.6, wp.z));
    a = mix(a, a * 1.35 + 0.03, frame * (1.0 - pane));
    float r = noise(id * 0.173 + seed); vec3 R = reflect(-V, N);
    vec3 glass = vec3(0.02) + sky(normalize(vec3(R.xy, abs(R.z)))) * (0.10 + 0.45 * pow(1.0 - max(dot(N, V), 0.0), 3.0));
    glass = mix(glass, vec3(0.32, 0.30, 0.27) * (0.3 + hemi(N)), step(0.62, r) * 0.6);
    if (wp.z < 3.4 && s1 > 0.55) pane = max(pane, step(0.5, wp.z) * step(wp.z, 2.7) * step(0.08, f.x) * step(f.x, 0.92));
    float on = step(mix(0.66, 0.52, s1), fract(r * 13.7)) * clamp(street * 1.3, 0.0, 1.0);
    emit += pane * (glass + on * vec3(1.0, 0.72, 0.40) * (0.10 + 0.25 * fract(r * 31.0))); a *= 1.0 - pane;
  }
#elif MAT == 5
  {
    float v = noise(wp.xy * 0.7 + wp.z * 0.37) * 0.6 + noise(wp.xz * 1.9) * 0.6; a *= 0.25 + 1.3 * v * v + 0.25 * N.z; N = normalize(N + (v - 0.5) * 0.9);
  }
#elif MAT == 10
  a *= 0.7 + 0.5 * noise(p * 0.4);
#endif
  float pool = 0.0;
#ifdef WET
  {
    pool = ground * wet * (0.35 + 0.65 * smoothstep(0.42, 0.62, noise(p * 0.035) * 0.7 + noise(p * 0.21) * 0.3));
    a *= 1.0 - 0.45 * wet * max(ground, 0.35); g = mix(g, 1.0, pool);
  }
#endif

#ifdef SUN
  float nl = max(dot(N, sun), 0.0), sh = lit(wp, N);
#else
  float nl = 0.0, sh = 1.0;
#endif
  vec3 R = reflect(-V, N); float fr = pow(1.0 - max(dot(N, V), 0.0), 5.0);
  float grime = MAT == 0 || MAT == 8 ? mix(0.6, 1.0, smoothstep(0.0, 1.0, wp.z)) : 1.0;
  vec3 env = sky(normalize(vec3(R.xy + 0.25 * (noise(p * 0.6) - 0.5), max(R.z, 0.02))));
  vec3 amb = a * (hemi(N) * grime + posts_light(wp, N)) + emit + env * (0.03 + fr) * (g * 0.55 + pool * 0.45);
  float skyline = smoothstep(0.0, 0.35, R.z + 0.25 * noise(vec2(atan(R.y, R.x) * 0.6, 0.3)) - 0.10);
  amb = mix(amb, amb - env * (0.03 + fr) * pool * 0.7, pool * (1.0 - skyline) * 0.8);
  vec3 dir = a * sunc * nl + sunc * pow(max(dot(R, sun), 0.0), mix(6.0, 60.0, g)) * (0.02 + 0.25 * g + 0.6 * pool) * step(0.001, nl) * 0.5;
  amb += a * glow * 30.0;
  float dist = length(eye - wp), t = exp(-dist * fogd);
  o_ambient = vec4(mix(fogc, amb, t), 1.0); o_direct = vec4(dir * sh * t, 1.0);
  o_albedo = vec4(a * t, max(pool, ground * 0.02));
}
"""

SKY_VERTEX = """
in vec2 xy; out vec2 uv; void main() { uv = xy; gl_Position = vec4(xy, 1.0, 1.0); }
"""

SKY_FRAGMENT = """
uniform mat4 IVP; in vec2 uv;
layout(location = 0) out vec4 o_ambient; layout(location = 1) out vec4 o_direct; layout(location = 2) out vec4 o_albedo;
void main() {
  vec4 a = IVP * vec4(uv, 1.0, 1.0); vec3 d = normalize(a.xyz / a.w - eye);
  o_ambient = vec4(mix(sky(d), fogc, clamp(1.0 - exp(-fogd * 260.0), 0.0, 1.0) * (1.0 - 0.6 * clamp(d.z * 2.0, 0.0, 1.0))), 1.0); o_direct = vec4(0.0); o_albedo = vec4(0.0);
}
"""

RESOLVE_FRAGMENT = """
uniform sampler2D src; uniform int factor; uniform float ceiling; out vec4 o;
void main() {
  ivec2 b = ivec2(gl_FragCoord.xy) * factor; vec4 s = vec4(0.0);
  for (int i = 0; i < factor; i++) for (int j = 0; j < factor; j++) s += min(texelFetch(src, b + ivec2(i, j), 0), vec4(ceiling));
  o = s / float(factor * factor);
}
"""

RESOLVE_DEPTH_FRAGMENT = """
uniform sampler2D src; uniform int factor; out float o;
void main() { o = texelFetch(src, ivec2(gl_FragCoord.xy) * factor + factor / 2, 0).r; }
"""

FULL_VERTEX = """
in vec2 xy; out vec2 uv; void main() { uv = xy; gl_Position = vec4(xy, 0.0, 1.0); }
"""

COMPOSE_FRAGMENT = """
uniform sampler2D t_ambient, t_direct, t_depth; uniform sampler2DShadow shadow_moving; uniform mat4 IVP, LM;
uniform float cloud_shadow; uniform vec2 cloud_at; in vec2 uv; out vec4 o;
void main() {
  ivec2 q = ivec2(gl_FragCoord.xy); float d = texelFetch(t_depth, q, 0).r; vec3 c = texelFetch(t_ambient, q, 0).rgb;
  gl_FragDepth = d;
#ifdef SUN
  {
    vec3 s = texelFetch(t_direct, q, 0).rgb;
    {
      vec4 w = IVP * vec4(uv, d * 2.0 - 1.0, 1.0); w /= w.w; vec4 k = LM * vec4(w.xyz, 1.0); vec3 m = k.xyz * 0.5 + 0.5; m.z -= 0.0012;
      float lit = 1.0;
      if (m.x > 0.0 && m.y > 0.0 && m.x < 1.0 && m.y < 1.0) {
        lit = 0.5 * (texture(shadow_moving, m + vec3(0.35, 0.35, 0.0) * MTEXEL) + texture(shadow_moving, m - vec3(0.35, 0.35, 0.0) * MTEXEL));
      }
#ifdef CLOUDY
      lit *= 1.0 - cloud_shadow * smoothstep(0.44, 0.56, noise(w.xy * 0.006 + cloud_at) * 0.75 + noise(w.xy * 0.02 + cloud_at * 1.7) * 0.25);
#endif
      c += s * lit;
    }
  }
#endif
  o = vec4(c, 1.0);
}
"""

DEPTH_FILL_FRAGMENT = """
uniform sampler2D t_depth; out vec4 o;
void main() { gl_FragDepth = texelFetch(t_depth, ivec2(gl_FragCoord.xy), 0).r; o = vec4(0.0); }
"""

MOVING_FRAGMENT = """
uniform sampler2DShadow shadow_static, shadow_moving; uniform mat4 L, LM; uniform float cloud_dim; uniform sampler2D t_albedo;
in vec3 wp, n, albedo; in float gloss, glow, seed; flat in int mat; out vec4 o;
void main() {
  vec3 N = normalize(n), V = normalize(eye - wp); vec3 a = albedo; float g = gloss;
  float alpha = 1.0; vec3 P = wp;
#ifdef MIRROR
  {
    float pool = texelFetch(t_albedo, ivec2(gl_FragCoord.xy), 0).a;
    if (pool < 0.06 || wp.z > 0.0) discard;
    alpha = pool * (0.16 + 0.6 * pow(1.0 - clamp(V.z, 0.0, 1.0), 3.0)); P.z = -P.z; N.z = -N.z;
    V = normalize(eye - P);
  }
#endif
  float lit = 0.0, nl = max(dot(N, sun), 0.0);
#ifdef SUN
  {
    vec4 q = L * vec4(P + N * 0.08, 1.0); vec3 s = q.xyz * 0.5 + 0.5; s.z -= 0.0008; vec4 k = LM * vec4(P + N * 0.06, 1.0); vec3 m = k.xyz * 0.5 + 0.5; m.z -= 0.0015;
    lit = texture(shadow_static, s);
    if (m.x > 0.0 && m.y > 0.0 && m.x < 1.0 && m.y < 1.0) lit *= texture(shadow_moving, m);
    lit *= cloud_dim;
  }
#endif
  vec3 R = reflect(-V, N); float fr = pow(1.0 - max(dot(N, V), 0.0), 5.0);
  float skyline = 0.05 + 0.16 * noise(vec2(atan(R.y, R.x) * 0.5, 0.7));
  vec3 under = vec3(0.10) * (hemi(vec3(0, 0, 1)) + sunc * 0.25 * sun.z) + posts_light(vec3(P.xy, 0.0), vec3(0, 0, 1)) * 0.10;
  vec3 town = (horizon * 0.22 + sunc * 0.05) * ambient;
  vec3 env = R.z < 0.0 ? under : mix(town, plain_sky(R), smoothstep(skyline - 0.04, skyline + 0.05, R.z));
  float ao = mix(0.35, 1.0, smoothstep(0.0, 0.8, P.z)); if (N.z > 0.6) ao = max(ao, 0.85);
  float grime = mix(0.72, 1.0, smoothstep(0.15, 0.8, P.z + 0.25 * (noise(P.xz * 0.5) - 0.5)));
  a = mix(a * grime + vec3(0.02) * (1.0 - grime), a, step(0.9, g));
  vec3 c = a * (hemi(N) * ao + sunc * nl * lit + posts_light(P, N));
  c += env * (0.04 * g + fr * (0.25 + 0.6 * g)) * ao * (mat == 9 ? 1.5 : 0.8 * g);
#ifdef SUN
  c += sunc * lit * pow(max(dot(R, sun), 0.0), mix(10.0, 260.0, g)) * g * 1.6;
#endif
#ifdef STREET
  for (int i = 0; i < NL; i++) { vec3 l = normalize(posts[i] - P); c += streetc * street * g * (0.12 + 0.8 * fr) * pow(max(dot(R, l), 0.0), 300.0); }
#endif
  c += (a + 0.04) * glow;
  c = fogged(c, length(eye - wp));
  o = vec4(min(c, vec3(12.0)), alpha);
}
"""

DEPTH_VERTEX = """
in vec3 pos; uniform mat4 VP, M; uniform vec2 sway; void main() { vec4 w = M * vec4(pos, 1.0); w.xy += sway * max(w.z - 2.0, 0.0) * (1.0 + 0.4 * sin(w.x * 1.7 + w.z * 2.3 + sway.x * 40.0)); gl_Position = VP * w; }
"""

DEPTH_FRAGMENT = """
void main() {}
"""

ID_FRAGMENT = """
uniform float ident; out vec4 o; void main() { o = vec4(ident / 255.0, 0.0, 0.0, 1.0); }
"""

GROUND_VERTEX = """
in vec2 xy; uniform mat4 VP, M; uniform vec4 span; uniform float lift; out vec2 at; out vec3 wp;
void main() { at = mix(span.xy, span.zw, xy * 0.5 + 0.5); vec4 w = M * vec4(at, lift, 1.0); wp = w.xyz; gl_Position = VP * w; }
"""

CONTACT_FRAGMENT = """
uniform vec3 body; uniform float depth; in vec2 at; in vec3 wp; out vec4 o;
void main() {
  vec2 d = max(abs(at - vec2(-body.x * 0.5, 0.0)) - vec2(body.x * 0.5, body.y * 0.5) + 0.25, 0.0); float k = exp(-dot(d, d) * 3.2);
  o = vec4(vec3(1.0 - depth * k), 1.0);
}
"""

BEAM_FRAGMENT = """
uniform sampler2D t_albedo; uniform float power, wet; in vec2 at; in vec3 wp; out vec4 o;
void main() {
  vec4 a = texelFetch(t_albedo, ivec2(gl_FragCoord.xy), 0);
  float x = at.x, e = 0.0;
  for (int s = -1; s <= 1; s += 2) { float y = at.y - 0.65 * float(s); float w = 0.55 + 0.17 * x; e += exp(-y * y / (2.0 * w * w)); }
  e *= smoothstep(0.2, 3.5, x) * exp(-x / 9.5) * smoothstep(40.0, 24.0, x);
  o = vec4((a.rgb * (1.0 - 0.3 * wet) + 0.01 * wet) * vec3(1.0, 0.95, 0.85) * e * power, 0.0);
}
"""

SPRITE_VERTEX = """
in vec2 xy; uniform mat4 V, P; uniform vec3 place; uniform vec2 size; uniform float nearer; out vec2 at;
void main() { at = xy; vec4 c = V * vec4(place, 1.0); c.xyz *= 1.0 - nearer / max(length(c.xyz), 1.0); c.xy += xy * size; gl_Position = P * c; }
"""

GLOW_FRAGMENT = """
uniform vec3 colour; in vec2 at; out vec4 o;
void main() { float r = length(at); if (r > 1.0) discard; float k = exp(-r * r * 26.0) * 2.0 + 0.16 * exp(-r * 5.0) * (1.0 - r) + 0.03 * (1.0 - r) * (1.0 - r); o = vec4(colour * k, 0.0); }
"""

STREAK_FRAGMENT = """
uniform vec3 colour; uniform sampler2D t_albedo, noise_tex; in vec2 at; out vec4 o;
void main() {
  float pool = texelFetch(t_albedo, ivec2(gl_FragCoord.xy), 0).a;
  float n = texture(noise_tex, gl_FragCoord.xy * vec2(0.004, 0.03)).r;
  float k = exp(-at.x * at.x * 7.0) * (1.0 - at.y * at.y) * pool * (0.45 + 0.9 * n); o = vec4(colour * k, 0.0);
}
"""

FINAL_FRAGMENT = """
uniform sampler2D src; uniform float exposure, vignette; in vec2 uv; out vec4 o;
void main() {
  ivec2 q = ivec2(gl_FragCoord.xy); vec3 r = texelFetch(src, q, 0).rgb;
#ifdef SMOOTH
  ivec2 last = textureSize(src, 0) - 1;
  vec3 a = texelFetch(src, min(q + ivec2(1, 0), last), 0).rgb, b = texelFetch(src, max(q - ivec2(1, 0), ivec2(0)), 0).rgb;
  vec3 c = texelFetch(src, min(q + ivec2(0, 1), last), 0).rgb, d = texelFetch(src, max(q - ivec2(0, 1), ivec2(0)), 0).rgb;
  vec4 l = vec4(a.g, b.g, c.g, d.g) * exposure; l /= 0.3 + l; float m = r.g * exposure; m /= 0.3 + m;
  float span = max(max(max(l.x, l.y), max(l.z, l.w)), m) - min(min(min(l.x, l.y), min(l.z, l.w)), m);
  r = mix(r, (a + b + c + d + 2.0 * r) / 6.0, 0.8 * smoothstep(0.10, 0.30, span));
#endif
  r *= exposure; r *= 1.0 - vignette * dot(uv, uv) * 0.5;
  r = r * (2.51 * r + 0.03) / (r * (2.43 * r + 0.59) + 0.14); o = vec4(pow(clamp(r, 0.0, 1.0), vec3(1.0 / 2.2)), 1.0);
}
"""
