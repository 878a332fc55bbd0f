// Bounded SSE load client. Single thread, epoll. Prints one JSON line.
// usage: sse -p PORT [-u PATH] -k STREAMS -n CHUNKS -r RATE [-R ramp ms] [-m rounds per connection] [-s model suffix] [-H header]... [-T max seconds] [-V (hash payload)] [-w warm ms: latencies before are ignored]
#define _GNU_SOURCE
#include <sys/epoll.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include <errno.h>
#include <time.h>
#include <stdint.h>
static int64_t now(void){ struct timespec t; clock_gettime(CLOCK_MONOTONIC,&t); return t.tv_sec*1000000000LL+t.tv_nsec; }
// log-linear histogram, ns, ~1.5 % resolution
#define NB 4096
typedef struct { uint64_t b[NB]; uint64_t n; double sum; int64_t max; } hist;
static int hidx(int64_t v){ if(v<0)v=0; if(v<64)return v; int e=63-__builtin_clzll(v); return (e-5)*64+((v>>(e-6))&63); }
static int64_t hval(int i){ if(i<64)return i; int e=i/64+5; return ((int64_t)(64+(i&63)))<<(e-6); }
static void hadd(hist*h,int64_t v){ int i=hidx(v); if(i>=NB)i=NB-1; h->b[i]++; h->n++; h->sum+=v; if(v>h->max)h->max=v; }
static double hp(hist*h,double p){ if(!h->n)return -1; uint64_t t=(uint64_t)(p/100*h->n), a=0; if(t>=h->n)t=h->n-1; for(int i=0;i<NB;i++){ a+=h->b[i]; if(a>t)return hval(i)/1e3; } return h->max/1e3; }
typedef struct { int fd, st, round, ok; int64_t start, opened; char*buf; size_t len, cap; // undechunked payload line buffer
  int chunked; long clen, cleft; int cstate; char hdr[16384]; int hl; int idx, done, fin, first, closehdr, status; int64_t last; uint64_t hash, bytes; } conn;
static hist lat, ttft, itl; static int ep, K=1,N=100,M=1,port=8081,V=0; static double R=0; static int ramp=0, T=60, warm=0; static char*path="/v1/chat/completions",*suf=""; static char req[8192]; static int reql;
static long okc, badseq, badstatus, chunks, reads, opened, closed_early, streams_done; static uint64_t pbytes, rbytes, hash0; static int hashset, hashbad; static int64_t t0, tend, tfirst; static int live; static uint64_t minb=~0ULL,maxb; static char badmsg[300];
static struct sockaddr_in a;
static void reset(conn*c){ c->st=0; c->hl=0; c->len=0; c->chunked=0; c->clen=-1; c->cstate=0; c->cleft=0; c->idx=0; c->done=0; c->fin=0; c->first=0; c->hash=1469598103934665603ULL; c->bytes=0; c->closehdr=0; c->status=0; c->last=0; }
static void sendreq(conn*c){ reset(c); c->start=now(); if(!tfirst)tfirst=c->start; ssize_t w=send(c->fd,req,reql,MSG_NOSIGNAL); if(w!=reql){ fprintf(stderr,"short send %zd %s\n",w,strerror(errno)); } }
static void dial(conn*c){ c->fd=socket(AF_INET,SOCK_STREAM,0); if(connect(c->fd,(void*)&a,sizeof a)){ perror("connect"); exit(2);} int o=1; setsockopt(c->fd,IPPROTO_TCP,TCP_NODELAY,&o,sizeof o); struct epoll_event e={.events=EPOLLIN,.data.ptr=c}; epoll_ctl(ep,EPOLL_CTL_ADD,c->fd,&e); opened++; sendreq(c); }
static void fin(conn*c,int closed){ // a stream ended
  streams_done++; if(c->done&&c->fin&&c->idx==N&&c->status==200){ okc++; if(c->bytes<minb)minb=c->bytes; if(c->bytes>maxb)maxb=c->bytes; if(V){ if(!hashset){hashset=1;hash0=c->hash;} else if(hash0!=c->hash)hashbad++; } } else { if(c->status!=200)badstatus++; else closed_early++; }
  tend=now(); c->round++; if(c->round<M && now()-t0<(int64_t)T*1000000000LL){ if(closed||c->closehdr){ close(c->fd); dial(c);} else sendreq(c); } else { close(c->fd); c->fd=-1; live--; } }
static void payload(conn*c,const char*p,size_t n,int64_t t){ c->bytes+=n; pbytes+=n;
  if(c->len+n>c->cap){ c->cap=(c->len+n)*2; c->buf=realloc(c->buf,c->cap);} memcpy(c->buf+c->len,p,n); c->len+=n;
  char*s=c->buf,*e=c->buf+c->len,*q; while((q=memchr(s,'\n',e-s))){ size_t l=q-s;
     if(V){ int dig=0; for(size_t i=0;i<=l;i++){ char ch=s[i]; if(ch=='@')dig=16; else if(dig){dig--; ch='0';} c->hash=(c->hash^(unsigned char)ch)*1099511628211ULL; } }
     if(l>6&&!memcmp(s,"data:",5)){ char*x; if(l<20&&memmem(s,l,"[DONE]",6))c->done=1; else if((x=memchr(s,'@',l))&&q-x>22&&x[16]=='#'){ int64_t ts=strtoll(x+1,NULL,10); int ix=atoi(x+17); if(ix!=c->idx){ if(!badseq)snprintf(badmsg,200,"want %d got %d",c->idx,ix); badseq++; } c->idx++; chunks++; if(t-t0>=(int64_t)warm*1000000){ hadd(&lat,t-ts); if(c->last)hadd(&itl,t-c->last);} c->last=t; if(!c->first){ c->first=1; hadd(&ttft,t-c->start);} }
       else if(memmem(s,l,"finish_reason\":\"stop\"",21)||memmem(s,l,"finish_reason\": \"stop\"",22))c->fin=1; }
     s=q+1; }
  size_t rest=e-s; if(rest&&s!=c->buf)memmove(c->buf,s,rest); c->len=rest; }
static char rb[1<<18];
static void onread(conn*c){ ssize_t r=recv(c->fd,rb,sizeof rb,MSG_DONTWAIT); if(r<0&&errno==EAGAIN)return; if(r<=0){ epoll_ctl(ep,EPOLL_CTL_DEL,c->fd,NULL); fin(c,1); return; }
  int64_t t=now(); reads++; rbytes+=r; char*p=rb,*e=rb+r;
  if(c->st==0){ int k=e-p; if(c->hl+k>(int)sizeof c->hdr-1)k=sizeof c->hdr-1-c->hl; int old=c->hl; memcpy(c->hdr+c->hl,p,k); c->hl+=k; c->hdr[c->hl]=0; char*h=memmem(c->hdr,c->hl,"\r\n\r\n",4); if(!h)return; h[2]=0; c->status=atoi(c->hdr+9); if(c->status!=200&&!badmsg[0])snprintf(badmsg,sizeof badmsg,"%.250s",c->hdr);
    char*x; if((x=strcasestr(c->hdr,"transfer-encoding:"))&&strcasestr(x,"chunked"))c->chunked=1; if((x=strcasestr(c->hdr,"\ncontent-length:")))c->clen=atol(x+16); if(strcasestr(c->hdr,"\nconnection: close"))c->closehdr=1; c->st=1; c->cleft=c->chunked?0:c->clen; p+= (h+4-c->hdr)-old; }
  if(!c->chunked){ payload(c,p,e-p,t); if(c->clen>=0){ c->cleft-=e-p; if(c->cleft<=0)fin(c,0);} return; }
  while(p<e){ if(c->cstate==0){ char ch=*p++; if(ch=='\n'){ c->cstate=c->cleft?1:3; } else if(ch!='\r'&&ch!=';'){ int v=ch<='9'?ch-'0':(ch|32)-'a'+10; c->cleft=c->cleft*16+v; } }
    else if(c->cstate==1){ long k=e-p<c->cleft?e-p:c->cleft; payload(c,p,k,t); p+=k; c->cleft-=k; if(!c->cleft)c->cstate=2; }
    else if(c->cstate==2){ if(*p++=='\n'){ c->cstate=0; c->cleft=0; } }
    else { if(*p++=='\n'){ fin(c,0); return; } } } }
int main(int ac,char**av){ char hdrs[4096]=""; int o; while((o=getopt(ac,av,"p:u:k:n:r:R:m:s:H:T:Vw:"))!=-1) switch(o){case 'p':port=atoi(optarg);break;case 'u':path=optarg;break;case 'k':K=atoi(optarg);break;case 'n':N=atoi(optarg);break;case 'r':R=atof(optarg);break;case 'R':ramp=atoi(optarg);break;case 'm':M=atoi(optarg);break;case 's':suf=optarg;break;case 'T':T=atoi(optarg);break;case 'V':V=1;break;case 'w':warm=atoi(optarg);break;case 'H':strcat(hdrs,optarg);strcat(hdrs,"\r\n");break;}
  char body[1024]; int bl=sprintf(body,"{\"model\":\"bench\",\"user\":\"fake-n%d-r%g%s\",\"stream\":true,\"max_tokens\":%d,\"temperature\":0.7,\"messages\":[{\"role\":\"system\",\"content\":\"You are a helpful assistant.\"},{\"role\":\"user\",\"content\":\"Tell me in a few words what a reverse proxy is for, and what it costs.\"}]}",N,R,suf,N);
  reql=sprintf(req,"POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUser-Agent: sse/1\r\nAccept: */*\r\nAuthorization: Bearer sk-none\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n\r\n%s",path,port,hdrs,bl,body);
  a=(struct sockaddr_in){.sin_family=AF_INET,.sin_port=htons(port),.sin_addr.s_addr=htonl(INADDR_LOOPBACK)}; ep=epoll_create1(0);
  conn*cs=calloc(K,sizeof*cs); t0=now(); int started=0; live=K; int64_t step=K>0?(int64_t)ramp*1000000/K:0; struct epoll_event ev[512]; int64_t limit=t0+(int64_t)(T+20)*1000000000LL; int timedout=0;
  for(int i=0;i<K;i++)cs[i].fd=-1;
  while(live>0){ int64_t t=now(); if(t>limit){timedout=1;break;} while(started<K&&t>=t0+step*started){ dial(&cs[started++]); if(step)t=now(); }
    int64_t w=started<K?t0+step*started-now():200000000; if(w<0)w=0; struct timespec ts={w/1000000000,w%1000000000}; int n=epoll_pwait2(ep,ev,512,&ts,NULL); for(int i=0;i<n;i++){ conn*c=ev[i].data.ptr; if(c->fd>=0)onread(c);} }
  double el=(tend-tfirst)/1e9;
  for(char*x=badmsg;*x;x++)if(*x=='"'||*x<32||*x=='\\')*x=' ';
  printf("{\"streams\":%d,\"ok\":%ld,\"ended\":%ld,\"badseq\":%ld,\"badstatus\":%ld,\"early\":%ld,\"timedout\":%d,\"chunks\":%ld,\"elapsed\":%.4f,\"cps\":%.1f,\"reads\":%ld,\"chunks_per_read\":%.2f,\"payload_bytes\":%lu,\"bytes_min\":%lu,\"bytes_max\":%lu,\"hash\":\"%016lx\",\"hashbad\":%d,\"conns\":%ld,\"ttft\":[%.1f,%.1f,%.1f,%.1f],\"lat\":[%.1f,%.1f,%.1f,%.1f],\"itl\":[%.1f,%.1f,%.1f],\"latmean\":%.1f,\"bad\":\"%s\"}\n",K,okc,streams_done,badseq,badstatus,closed_early,timedout,chunks,el,chunks/el,reads,reads?(double)chunks/reads:0,pbytes,okc?minb:0,maxb,hash0,hashbad,opened,hp(&ttft,50),hp(&ttft,99),hp(&ttft,99.9),ttft.max/1e3,hp(&lat,50),hp(&lat,99),hp(&lat,99.9),lat.max/1e3,hp(&itl,50),hp(&itl,99),hp(&itl,99.9),lat.n?lat.sum/lat.n/1e3:0,badmsg); return 0; }
